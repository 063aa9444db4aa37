"""Crystals to latents to crystals from the shell."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.cli import inputs, outputs, reconstruct
from crystal_jax.codec import shipped
from crystal_jax.io.folder import safe_name
from tests import codecs, crystals
from tests.cli.output_table import table

pytestmark = pytest.mark.usefixtures('in_process')


def test_round_trip(folder, tmp_path, perfect, capsys):
  z, out = tmp_path / 'z.npz', tmp_path / 'out'
  assert main(['encode', str(folder), f'--out={z}']) == 0
  with np.load(z) as file:
    assert file['ids'].tolist() == ['a', 'deep/b']
    assert file['z'].shape == file['std'].shape == (2, perfect.size)
    assert str(file['codec']) == 'perfect'
  assert main(['decode', str(z), f'--out={out}']) == 0
  assert sorted(p.name for p in out.iterdir()) == [
    'a.cif', 'deep_b.cif', outputs.TABLE
  ]  # fmt: skip
  rows = table(out)
  assert [row['id'] for row in rows] == ['a', 'deep/b']
  assert {row['certain'] for row in rows} == {'yes'}
  assert all(float(row['residual']) < 0.1 for row in rows)
  assert sorted(cj.read(out / 'a.cif').numbers) == [8, 8, 30, 30]
  assert 'skipped' not in capsys.readouterr().err


def test_what_is_skipped_is_listed(folder, tmp_path, perfect, capsys):
  (folder / 'bad.cif').write_text('data_x\n_cell_length_a 1\n')
  z = tmp_path / 'z.npz'
  assert main(['encode', str(folder), f'--out={z}']) == outputs.INCOMPLETE
  err = capsys.readouterr().err
  assert 'skipped bad.cif: ' in err and 'README' not in err
  readme = folder / 'README.txt'
  assert main(['encode', str(readme), f'--out={tmp_path / "y.npz"}']) == 1
  assert 'README.txt' in capsys.readouterr().err
  assert not (tmp_path / 'y.npz').exists()
  with np.load(z) as file:
    columns = dict(file)
  columns['z'][0] = np.nan
  np.savez(z, **columns)
  out = tmp_path / 'out'
  assert main(['decode', str(z), f'--out={out}']) == outputs.INCOMPLETE
  assert 'skipped a: the latent is not finite' in capsys.readouterr().err


def test_no_id_leads_out_of_the_folder(tmp_path, perfect):
  z = np.repeat(perfect.encode(crystals.bcc()), 4, axis=0)
  ids = ['../../evil', '/etc/x', 'same', 'SAME']
  np.savez(tmp_path / 'z.npz', z=z, ids=ids)
  out = tmp_path / 'a' / 'b'
  assert main(['decode', str(tmp_path / 'z.npz'), f'--out={out}']) == 0
  assert sorted(p.name for p in out.iterdir()) == [
    'SAME-2.cif', '_.._evil.cif', '_etc_x.cif', outputs.TABLE, 'same.cif'
  ]  # fmt: skip
  assert {p.name for p in tmp_path.iterdir()} == {'a', 'z.npz'}
  assert safe_name('..') == 'crystal'
  assert len(safe_name('x' * 999)) < 255


def test_reconstruct_counts_what_came_back(folder, tmp_path, perfect, capsys):
  out = tmp_path / 'o'
  assert main(['reconstruct', str(folder), f'--out={out}']) == 0
  printed = capsys.readouterr().out
  assert 'wrote 2 crystals' in printed
  assert '2 match the given crystal, median RMS distance' in printed
  assert len(list(out.glob('*.cif'))) == 2
  for row in table(out):
    assert 0 <= float(row['distance']) < 0.05
    assert 0 <= float(row['length_error']) < 0.01


def test_a_crystal_that_does_not_match_has_no_distance():
  given = crystals.perovskite()
  found = [crystals.wurtzite(), None]
  assert reconstruct.errors_of([given, given], found) == [{}, {}]


def test_distance_is_that_of_the_atoms():
  given = crystals.perovskite()
  shift = np.zeros((5, 3))
  shift[0, 0] = 0.1
  moved = dataclasses.replace(given, positions=given.positions + shift)
  (row,) = reconstruct.errors_of([given], [moved])
  # RMS about the mean shift of the five atoms: 0.1 Å (1/5 - 1/25)^(1/2).
  assert row['distance'] == pytest.approx(0.04, rel=1e-3)
  assert row['length_error'] == pytest.approx(0, abs=1e-6)


def data_of(page):
  """What a page draws."""
  text = page.read_text('utf-8')
  assert len(text) < 1e6 and 'https://' not in text.split('const data')[1]
  (found,) = re.findall(r'const data = (.*?);\n', text)
  return json.loads(found)['rows']


def test_pairs_are_seen_in_one_frame(folder, tmp_path, perfect, capsys):
  out = tmp_path / 'o'
  supercell = crystals.wurtzite().to_ase() * (2, 1, 1)
  supercell.rotate(40, (1, 1, 0), rotate_cell=True)
  cj.write(folder / 'a.cif', cj.Crystal.from_ase(supercell))
  assert main(['reconstruct', str(folder), f'--out={out}']) == 0
  assert f'look at {out / "index.html"}' in capsys.readouterr().out
  (pair, _) = data_of(out / 'index.html')
  assert pair[0]['title'].startswith('a: Zn2O2')
  assert pair[1]['title'].startswith('decoded: Zn2O2')
  given, decoded = (
    np.array(sorted((a['elem'], a['x'], a['y'], a['z']) for a in each['atoms']))
    for each in pair
  )
  np.testing.assert_array_equal(given[:, 0], decoded[:, 0])
  ends = [np.array(each['edges']) for each in pair]
  np.testing.assert_allclose(*ends, atol=0.02)
  for i in range(1, 4):  # Atoms may come in another order.
    values = [np.sort(each[:, i].astype(float)) for each in (given, decoded)]
    np.testing.assert_allclose(*values, atol=0.05)
  again = ['reconstruct', str(folder), f'--out={out}', '--overwrite']
  assert main([*again, '--no-page']) == 0
  assert not (out / 'index.html').exists()


def test_symmetrized_files_hold_the_space_group(folder, tmp_path, perfect):
  out = tmp_path / 'o'
  arguments = ['reconstruct', str(folder), f'--out={out}']
  assert main([*arguments, '--symmetrize=0.01']) == 0
  text = (out / 'a.cif').read_text()
  assert '_symmetry_Int_Tables_number 186\n' in text
  assert sorted(cj.read(out / 'a.cif').numbers) == [8, 8, 30, 30]
  for wrong in '0', 'nan', 'x':
    with pytest.raises(SystemExit):
      main([*arguments, f'--symmetrize={wrong}'])


def test_interpolate_writes_a_file_a_step(folder, tmp_path, perfect, capsys):
  ends = [str(folder / 'a.cif')] * 2
  out = tmp_path / 'o'
  assert main(['interpolate', *ends, '--steps=3', f'--out={out}']) == 0
  assert sorted(p.name for p in out.glob('*.cif')) == [
    '00.cif', '01.cif', '02.cif'
  ]  # fmt: skip
  rows = data_of(out / 'index.html')
  assert [len(row) for row in rows] == [3, 3, 3]
  assert rows[1][1]['title'].startswith('01: Zn2O2')
  assert main(['interpolate', *ends, '--steps=1', f'--out={out}']) == 1
  assert capsys.readouterr().err.count('\n') == 1


def test_latents_of_another_codec(tmp_path, perfect, capsys):
  path = tmp_path / 'z.npz'
  z = perfect.encode(crystals.bcc())
  np.savez(path, z=z, fingerprint='other', codec='theirs')
  assert main(['decode', str(path), f'--out={tmp_path / "o"}']) == 1
  assert 'theirs' in capsys.readouterr().err
  for damaged in b'PK\x03\x04 no', b'', b'\x80\x04K\x01.':
    path.write_bytes(damaged)
    assert main(['decode', str(path), f'--out={tmp_path / "o"}']) == 1
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and 'z.npz' in err


def test_mistakes_are_one_line(folder, tmp_path, capsys):
  out = f'--out={tmp_path / "z.npz"}'
  empty = tmp_path / 'empty'
  empty.mkdir()
  for arguments in (
    ['encode', str(folder), out, '--weights=no_such'],
    ['encode', str(folder), out, '--weights=./no_such'],
    ['encode', str(folder), f'--out={tmp_path / "z.txt"}'],
    ['encode', str(folder), f'--out={tmp_path / "no" / "z.npz"}'],
    ['decode', str(tmp_path / 'no.npz'), f'--out={tmp_path / "o"}'],
    ['decode', str(folder / 'a.cif'), f'--out={tmp_path / "o"}'],
    ['reconstruct', str(folder), f'--out={folder}'],
    ['reconstruct', str(empty), f'--out={tmp_path / "o"}'],
    ['interpolate', 'no.cif', 'no.cif', f'--out={tmp_path}'],
    ['decode', str(empty), f'--out={tmp_path / "o"}'],
    ['fit-property', 'no.csv', f'--out={tmp_path / "o"}'],
    ['show', str(folder / 'a.cif'), f'--out={tmp_path / "no" / "x.html"}'],
  ):
    assert main(arguments) == 1, arguments
    err = capsys.readouterr().err
    assert err.count('\n') == 1, arguments
    assert 'pickle' not in err and 'Errno' not in err and 'invalid' not in err


def test_a_progress_bar_is_for_terminals(folder, tmp_path, perfect, capsys):
  main(['encode', str(folder), f'--out={tmp_path / "z.npz"}'])
  assert '\r' not in capsys.readouterr().err


def test_a_table_of_latents_has_ids(folder, tmp_path, perfect):
  out = tmp_path / 'z.csv'
  assert main(['encode', str(folder), f'--out={out}']) == 0
  with open(out, newline='') as file:
    rows = [*csv.reader(file)]
  assert [row[0] for row in rows] == ['id', 'a', 'deep/b']
  z = perfect.encode(cj.read(folder / 'a.cif'))[0]
  np.testing.assert_array_equal(np.float32(rows[1][1:]), z)


def test_a_table_of_latents_as_parquet(folder, tmp_path, monkeypatch):
  parquet = pytest.importorskip('pyarrow.parquet')
  codec = codecs.untrained()  # Whose latents have fewer columns.
  monkeypatch.setattr(inputs, 'open_codec', lambda name: codec)
  out = tmp_path / 'z.parquet'
  assert main(['encode', str(folder), f'--out={out}']) == 0
  found = parquet.read_table(out)
  assert found['id'].to_pylist() == ['a', 'deep/b']
  assert found.num_columns == 1 + codec.size


def test_info_lists_what_is_shipped(capsys):
  assert main(['info']) == 0
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines[1:]] == shipped.names()
  assert main(['info', '--json']) == 0
  rows = {row['codec']: row for row in json.loads(capsys.readouterr().out)}
  assert (
    rows['mp_20']['max_atoms'] == 20 and rows['mp_20']['latent_size'] == 966
  )
  assert main(['info', 'mp_20']) == 0
  assert json.loads(capsys.readouterr().out)['name'] == 'mp_20'
  assert main(['info', 'no_such']) == 1
  assert 'mp_20' in capsys.readouterr().err
