"""Crystals from objects of three libraries: one entry each, refused or not."""

import ase
import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.structure import adapters, crystal

NACL = ase.build.bulk('NaCl', 'rocksalt', a=5.64)


def pymatgen_structure(species=('Na+', 'Cl-')):
  core = pytest.importorskip('pymatgen.core')
  return core.Structure(
    core.Lattice(NACL.cell[:]), species, NACL.get_scaled_positions(wrap=False)
  )


def test_the_same_crystal_from_every_library():
  ours = cj.Crystal.from_ase(NACL)
  for item in ours.pad(5), NACL, pymatgen_structure():
    (result,) = adapters.to_crystals(item)
    assert result.numbers.tolist() == [11, 17]
    assert result.positions.dtype == result.cell.dtype == np.float64
    np.testing.assert_allclose(result.positions, ours.positions, atol=1e-12)
    np.testing.assert_allclose(result.cell, ours.cell, atol=1e-12)


def test_a_batch_is_a_list_of_its_crystals():
  iron = cj.Crystal.from_ase(ase.build.bulk('Fe'))
  batch = crystal.stack([cj.Crystal.from_ase(NACL), iron])
  assert [c.num_atoms for c in adapters.to_crystals(batch)] == [2, 1]


def refused_items():
  slab = NACL.copy()
  slab.pbc = True, True, False
  alloy = NACL.copy()
  alloy.info['occupancy'] = {'0': {'Na': 0.5, 'K': 0.5}}
  close = NACL.copy()
  close.positions[1] = close.positions[0] + [0.2, 0, 0]
  valid = cj.Crystal.from_ase(NACL)
  return [
    (slab, 'periodic along 2 of 3 axes'),
    (alloy, 'partial occupancy'),
    (close, '0.20 Å apart'),
    (ase.Atoms('H2', [[0, 0, 0], [0, 0, 0.7]]), 'no cell'),
    (ase.Atoms(cell=np.eye(3), pbc=True), 'no atoms'),
    (cj.Crystal(np.array([-1]), np.zeros((1, 3)), np.eye(3)), 'number -1'),
    (cj.Crystal(np.array([119]), np.zeros((1, 3)), np.eye(3)), 'number 119'),
    (cj.Crystal(np.array([0]), np.zeros((1, 3)), np.eye(3)), 'no atoms'),
    (cj.Crystal(valid.numbers, valid.positions * np.nan, valid.cell), 'finite'),
    (crystal.stack([valid, valid]), 'unstack'),
    (np.zeros(3), 'ndarray is not a crystal'),
    (adapters.Refused('no atoms'), 'no atoms'),
    (pymatgen_structure(species=[{'Na': 0.5, 'K': 0.5}, 'Cl']), 'occupancy'),
    (pymatgen_structure(species=['X', 'Cl']), 'unknown species'),
  ]


def test_bad_items_are_refused_one_by_one():
  items = refused_items()
  results = adapters.to_crystals([NACL, *(item for item, _ in items), NACL])
  assert isinstance(results[0], cj.Crystal)
  assert isinstance(results[-1], cj.Crystal)
  for result, (item, reason) in zip(results[1:-1], items, strict=True):
    assert isinstance(result, adapters.Refused), item
    assert reason in result.reason


@pytest.mark.parametrize('items', ['NaCl.cif', {'a': 1}, 3, None])
def test_what_is_no_crystal_at_all_is_a_type_error(items):
  with pytest.raises(TypeError, match='Need crystals, not'):
    adapters.to_crystals(items)


@pytest.mark.parametrize(
  'pbc, kept_edges',
  [((1, 1, 0), (0, 1)), ((0, 1, 1), (1, 2)), ((0, 0, 1), (2,))],
)
def test_the_vacuum_advice_keeps_the_periodic_axes(pbc, kept_edges):
  atoms = ase.build.bulk('NaCl', 'rocksalt', a=5.64, cubic=True)
  atoms.pbc = pbc
  (refused,) = adapters.to_crystals(atoms)
  suggestion = refused.reason.split(': ')[-1].split('. If')[0]
  exec(suggestion, {'atoms': atoms})  # As a user would paste it.
  (result,) = adapters.to_crystals(atoms)
  lengths = np.linalg.norm(result.cell, axis=1)
  for axis in range(3):
    if axis in kept_edges:
      assert lengths[axis] == pytest.approx(5.64)
    else:
      assert lengths[axis] > 16
