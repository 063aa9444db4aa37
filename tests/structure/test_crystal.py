import ase
import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.structure import crystal as crystal_lib


def rutile():
  return ase.Atoms(
    'Ti2O4',
    scaled_positions=[
      (0, 0, 0), (0.5, 0.5, 0.5), (0.3, 0.3, 0), (0.7, 0.7, 0),
      (0.2, 0.8, 0.5), (0.8, 0.2, 0.5),
    ],
    cell=(4.6, 4.6, 2.95),
    pbc=True,
  )  # fmt: skip


def rocksalt():
  return ase.build.bulk('NaCl', 'rocksalt', a=5.64)


def test_ase_and_back_changes_nothing():
  atoms = rutile()
  atoms.positions += [0.1, -20, 3]  # Outside the cell is where it may stay.
  crystal = cj.Crystal.from_ase(atoms)
  assert crystal.numbers.dtype == np.int32
  assert crystal.num_atoms == 6
  again = crystal.to_ase()
  np.testing.assert_array_equal(again.positions, atoms.positions)
  np.testing.assert_array_equal(again.cell, atoms.cell)
  np.testing.assert_array_equal(again.numbers, atoms.numbers)
  assert again.pbc.all()


def test_from_ase_copies_the_arrays():
  atoms = rocksalt()
  crystal = cj.Crystal.from_ase(atoms)
  before = crystal.positions.copy()
  atoms.positions += 1
  atoms.cell[0] += 1
  atoms.numbers[0] = 1
  np.testing.assert_array_equal(crystal.positions, before)
  assert crystal.numbers.tolist() == [11, 17]


@pytest.mark.parametrize(
  'change, reason',
  [
    (dict(pbc=[True, True, False]), r'periodic along 2 of 3.*vacuum'),
    (dict(pbc=False), 'periodic along 0 of 3'),
    (dict(cell=np.zeros((3, 3))), 'zero volume'),
    (dict(cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]]), 'zero volume'),
    (dict(cell=[[1e3, 0, 0], [0, 1e3, 0], [1e3, 1e3, 1e-6]]), 'zero volume'),
    (dict(cell=np.diag([3, 3, 4e8])), 'longer than'),
    (dict(cell=[[np.nan, 0, 0], [0, 1, 0], [0, 0, 1]]), 'not finite'),
    (dict(positions=[[np.inf, 0, 0], [0, 0, 0]]), 'not finite'),
    (dict(numbers=[11, 0]), 'unknown species: atom 1'),
  ],
)
def test_what_is_no_crystal_is_refused(change, reason):
  atoms = rocksalt()
  for name, value in change.items():
    if name == 'cell':
      atoms.set_cell(value)
    else:
      setattr(atoms, name, value)
  with pytest.raises(ValueError, match=reason):
    cj.Crystal.from_ase(atoms)


def test_left_handed_cells_are_crystals():
  atoms = rocksalt()
  atoms.set_cell(atoms.cell[[1, 0, 2]])
  assert cj.Crystal.from_ase(atoms).num_atoms == 2


def test_padding_adds_empty_slots_that_to_ase_drops():
  crystal = cj.Crystal.from_ase(rocksalt())
  padded = crystal.pad(5)
  assert padded.numbers.tolist() == [11, 17, 0, 0, 0]
  assert not padded.positions[2:].any()
  assert padded.num_atoms == 2
  assert len(padded.to_ase()) == 2
  with pytest.raises(ValueError, match='5 slots do not fit max_atoms=4'):
    padded.pad(4)


def test_stacks_unstack():
  crystals = [
    cj.Crystal.from_ase(rocksalt()),
    cj.Crystal.from_ase(ase.build.bulk('Fe')),
  ]
  batch = crystal_lib.stack(crystals)
  assert batch.numbers.shape == (2, 2)
  assert batch.cell.shape == (2, 3, 3)
  for before, after in zip(crystals, crystal_lib.unstack(batch), strict=True):
    jax.tree.map(np.testing.assert_array_equal, before, after)
  assert crystal_lib.stack(crystals, max_atoms=7).positions.shape == (2, 7, 3)
  with pytest.raises(ValueError, match='unstack'):
    batch.to_ase()
  with pytest.raises(ValueError, match='one crystal'):
    crystal_lib.unstack(crystals[0])
  with pytest.raises(ValueError, match='a batch: unstack'):
    batch.pad(5)
  with pytest.raises(ValueError, match='at least one'):
    crystal_lib.stack([])
  with pytest.raises(ValueError, match='do not fit max_atoms=0'):
    crystal_lib.stack(crystals, max_atoms=0)
  with pytest.raises(ValueError, match='do not fit max_atoms=1'):
    crystal_lib.stack(crystals, max_atoms=1)


def test_it_is_a_pytree():
  batch = crystal_lib.stack([cj.Crystal.from_ase(rocksalt())] * 3)
  leaves = jax.tree.leaves(batch)
  assert [leaf.shape for leaf in leaves] == [(3, 2), (3, 2, 3), (3, 3, 3)]

  @jax.jit
  @jax.vmap
  def volume(crystal):
    return jnp.abs(jnp.linalg.det(crystal.cell))

  np.testing.assert_allclose(volume(batch), 5.64**3 / 4, rtol=1e-5)
