"""What is found in folders and tables, by name."""

import os
import pathlib
import re

import ase.build
import ase.io
import pytest

from crystal_jax.io.reading import formats, frames, items, listing, tables
from crystal_jax.io.reading.parse import parse
from tests.data import bad_files

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRAIN_PAGE = (ROOT / 'docs' / 'train.md').read_text('utf-8')


def find(*sources):
  return list(listing.list_items(sources))


def test_names_ids_and_kinds(tmp_path):
  for name in 'b/x.cif', 'a.y.CIF', 'POSCAR', 'c/CONTCAR.1', 'z.txt', 'w.db.gz':
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('x')
  found = {one.id: one for one in find(tmp_path)}
  kinds = {
    k: one.kind for k, one in found.items() if isinstance(one, items.Item)
  }
  assert kinds == {
    'b/x': 'cif', 'a.y': 'cif', 'POSCAR': 'vasp', 'c/CONTCAR.1': 'vasp',
  }  # fmt: skip
  assert found['z.txt'].is_ignorable and found['w.db.gz'].is_ignorable
  both = [one.id for one in find(tmp_path / 'b', tmp_path / 'c')]
  assert both == ['b/x', 'c/CONTCAR.1']
  assert [one.id for one in listing.list_items([tmp_path / 'b' / 'x.cif'])] == [
    'x'
  ]
  with pytest.raises(FileNotFoundError, match='nothing: no such file'):
    find(tmp_path / 'nothing')


def test_each_documented_format(tmp_path):
  """Files of other formats than CIF are read, or refused by name."""
  (tmp_path / 'a.mcif').write_text(bad_files.cif())
  (tmp_path / 'b.res').write_text(
    'TITL x\nCELL 0.7 4 4 4 90 90 90\nLATT -1\nSFAC Cs Cl\n'
    'Cs1 1 0 0 0\nCl1 2 0.5 0.5 0.5\nEND\n'
  )
  (tmp_path / 'c.ins').write_text('TITL x\nCELL 0.7 4 4 4 90 90 90\nEND\n')
  (tmp_path / 'd.pdb').write_text(
    'CRYST1    4.000    4.000    4.000  90.00  90.00  90.00 P 21 21 21    4\n'
    'ATOM      1  C   UNK     1       0.500   0.200   1.000  1.00  0.00'
    '           C\n'
  )
  (tmp_path / 'e.poscar').write_text('x')
  (tmp_path / 'f.xsf').write_text('x')
  results = [
    result
    for item in find(tmp_path)
    for result in ([item] if isinstance(item, items.Skip) else parse(item, 10))
  ]
  reasons = {r.file: r.reason for r in results if isinstance(r, items.Skip)}
  assert reasons.keys() == {'c.ins', 'e.poscar', 'f.xsf'}
  assert reasons['f.xsf'] == listing.UNKNOWN_FORMAT
  read = {r[1]: r[0] for r in results if not isinstance(r, items.Skip)}
  assert len(read['a'].numbers) == 2
  assert sorted(read['b'].numbers) == [17, 55]
  assert len(read['d'].numbers) == 4  # By the operations of its group.


@pytest.mark.parametrize('text', [formats.DESCRIPTION, TRAIN_PAGE])
def test_texts_list_each_format(text):
  for suffix in formats.FORMATS:
    assert re.search(rf'\{suffix}\b', text), suffix
  for name in formats.VASP:
    assert f'{name}*' in text


def test_a_name_that_is_no_text(tmp_path):
  path = os.fsencode(tmp_path) + b'/\xff\n.cif'
  with open(path, 'w') as file:
    file.write(bad_files.cif())
  (item,) = find(tmp_path)
  assert item.id == '??' and item.name == '??.cif'
  ((crystal, id_, _),) = parse(item, 10)
  assert id_ == '??' and len(crystal.numbers) == 2


def test_frames_that_break_off(tmp_path):
  atoms = ase.build.bulk('Cu')
  path = tmp_path / 'x.extxyz'
  ase.io.write(path, [atoms] * 3, format='extxyz')
  whole = path.read_bytes()
  assert len(list(frames.find(path))) == 3
  for text, valid, bad in [
    (whole[:-20], 2, 1),
    (whole + b'garbage\n' + whole, 3, 1),
    (b'\n\n' + whole, 3, 0),
    (b'99999999999\nx\n', 0, 1),
    (b'', 0, 1),
  ]:
    path.write_bytes(text)
    results = []
    for item in find(path):
      if isinstance(item, items.Skip):
        results.append(item)
      else:
        results += parse(item, 10)
    skips = [isinstance(result, items.Skip) for result in results]
    assert (skips.count(False), skips.count(True)) == (valid, bad), text[:20]


def test_tables(tmp_path):
  table = tmp_path / 't.csv'
  table.write_text('id,gap\na,1\n')
  (skip,) = find(table)
  assert skip.is_ignorable and 'without a column `cif`' in skip.reason
  table.write_bytes(b'\xef\xbb\xbfname,cif,gap,kind\na,x,1e-3,\xff\nb,,2,\nc\n')
  first, second, third = find(table)
  assert (first.id, first.properties['gap']) == ('a', 0.001)
  assert (second.id, third.id) == ('b', 'c')
  assert second.reason == third.reason == 'a row without a CIF'
  assert tables.scalars({'a': '5', 'b': 'x' * 65, 'c': '', None: 3}) == {'a': 5}
