"""The Beam pipeline makes the same data set as `prepare`."""

import json

import numpy as np
import pytest

from crystal_jax import data
from tests.data import bad_files


def records(folder):
  return {
    record['id']: (split, record)
    for split in ('train', 'val', 'test')
    for record in data.load_split(folder, split)
  }


def save(folder, count=60):
  folder.mkdir()
  pairs = [(a, b) for a in 'Na K Rb Cs Li Mg'.split()
           for b in 'F Cl Br I'.split()]  # fmt: skip
  entries = [
    {
      'id': f'x{i}',
      'energy': i / 2,
      'lattice_vectors': (np.eye(3) * (4 + i / 100)).tolist(),
      'cartesian_site_positions': [[0, 0, 0], [2, 2, 2]],
      'species_at_sites': list(pairs[i % len(pairs)]),
    }
    for i in range(count)
  ]
  lines = [json.dumps(entry) for entry in [*entries, entries[0], {'id': 'y'}]]
  (folder / 'a.jsonl').write_text('\n'.join(lines))
  (folder / 'b.cif').write_text(bad_files.cif('Ag', 'Br'))
  (folder / 'notes, of mine.txt').write_text('x')


@pytest.mark.filterwarnings('ignore')  # Beam has many.
def test_it_makes_what_prepare_makes(tmp_path):
  pytest.importorskip('apache_beam')
  save(tmp_path / 'in')
  sizes = data.prepare_with_beam([tmp_path / 'in'], tmp_path / 'beam')
  data.prepare([tmp_path / 'in'], tmp_path / 'plain', workers=0)
  ours, plain = records(tmp_path / 'beam'), records(tmp_path / 'plain')
  assert sum(sizes.values()) == len(ours) == 61
  assert ours.keys() == plain.keys()
  for id_, (split, record) in plain.items():
    assert ours[id_][0] == split
    for name, value in record.items():
      np.testing.assert_array_equal(ours[id_][1][name], value)
  text = ''.join(p.read_text() for p in (tmp_path / 'beam').glob('skipped*'))
  assert 'lacks lattice_vectors' in text and '"notes, of mine.txt"' in text
  assert sorted(p.name for p in tmp_path.iterdir()) == ['beam', 'in', 'plain']
  with pytest.raises(ValueError, match='exists already'):
    data.prepare_with_beam([tmp_path / 'in'], tmp_path / 'beam')
