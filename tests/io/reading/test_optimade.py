"""OPTIMADE entries in JSON, JSON lines and parquet."""

import copy
import json

import numpy as np
import pytest

from crystal_jax.io.reading import items, listing
from crystal_jax.io.reading.parse import parse

SALT = {
  'id': 'agm1',
  'type': 'structures',
  'attributes': {
    'lattice_vectors': [[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]],
    'cartesian_site_positions': [[0, 0, 0], [2.8, 2.8, 2.8]],
    'species_at_sites': ['Na+', 'Cl'],
    'species': [
      {'name': 'Na+', 'chemical_symbols': ['Na'], 'concentration': [1.0]},
      {'name': 'Cl', 'chemical_symbols': ['Cl'], 'concentration': [1.0]},
    ],
    'dimension_types': [1, 1, 1],
    'energy': -3.25,
    'nested': {'x': 1},
  },
}


def changed(**changes):
  entry = copy.deepcopy(SALT)
  entry['attributes'] |= changes
  return entry


def read(path):
  found = []
  for item in listing.list_items([path]):
    found += [item] if isinstance(item, items.Skip) else parse(item, 1000)
  return found


def check(found, id_):
  crystal, own, properties = found
  assert own == id_ and properties['energy'] == -3.25
  assert crystal.numbers.tolist() == [11, 17]
  np.testing.assert_allclose(
    crystal.positions, SALT['attributes']['cartesian_site_positions']
  )


def test_an_answer_and_lines(tmp_path):
  (tmp_path / 'a.json').write_text(json.dumps({'data': [SALT, SALT]}))
  assert len(read(tmp_path / 'a.json')) == 2
  for found in read(tmp_path / 'a.json'):
    check(found, 'agm1')
  lines = [json.dumps(SALT), '', '{"broken', json.dumps(SALT['attributes'])]
  (tmp_path / 'b.jsonl').write_text('\n'.join(lines))
  first, broken, last = read(tmp_path / 'b.jsonl')
  check(first, 'agm1')
  check(last, 'b#3')
  assert broken.file == 'b.jsonl, line 2'


@pytest.mark.parametrize(
  'changes, reason',
  [
    ({'species': [{'name': 'Na+', 'chemical_symbols': ['Na', 'K'],
                   'concentration': [0.5, 0.5]}]}, 'partial occupancy'),
    ({'species': [{'name': 'Na+', 'chemical_symbols': ['vacancy']}]},
     'unknown species'),
    ({'species_at_sites': ['Na']}, '1 species for positions'),
    ({'species_at_sites': ['Na+', 'K']}, "'K' of a site is not described"),
    ({'lattice_vectors': None}, 'lacks lattice_vectors'),
    ({'dimension_types': [1, 1, 0]}, 'periodic along 2 of 3'),
    ({'cartesian_site_positions': [[0, 0, 0], [None, 0, 0]]}, 'finite'),
  ],
)  # fmt: skip
def test_objects_that_are_no_crystal_are_named(tmp_path, changes, reason):
  (tmp_path / 'a.json').write_text(json.dumps({'data': [changed(**changes)]}))
  (skip,) = read(tmp_path / 'a.json')
  assert reason in skip.reason


def test_parquet(tmp_path):
  pyarrow = pytest.importorskip('pyarrow')
  parquet = pytest.importorskip('pyarrow.parquet')
  attributes = SALT['attributes']
  row = {
    name: attributes[name]
    for name in ('lattice_vectors', 'cartesian_site_positions', 'energy')
  } | {'species_at_sites': ['Na', 'Cl']}
  rows = [row | {'immutable_id': f'x{i}'} for i in range(250)]
  path = tmp_path / 'a.parquet'
  parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=130)
  found = read(path)
  assert len(found) == 250
  for i, one in enumerate(found):
    check(one, f'x{i}')
  path.write_bytes(path.read_bytes()[:100])
  (skip,) = read(path)
  assert 'not a parquet file' in skip.reason
