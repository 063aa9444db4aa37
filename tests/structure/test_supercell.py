"""Large supercells come back as their primitive cell, and only those."""

import time

import ase.build
import numpy as np
import pytest

from crystal_jax.structure import primitive


def reduced(atoms):
  numbers, fractional, cell = primitive.primitive_cell(
    atoms.numbers, atoms.get_scaled_positions(wrap=False), atoms.cell[:]
  )
  return ase.Atoms(numbers, scaled_positions=fractional, cell=cell, pbc=True)


@pytest.mark.parametrize(
  'atoms, count',
  [
    (ase.build.bulk('Si', cubic=True).repeat(8), 2),
    (
      ase.build.bulk('NaCl', 'rocksalt', a=5.6, cubic=True).repeat((7, 6, 5)),
      2,
    ),
    (
      ase.build.make_supercell(
        ase.build.bulk('ZnS', 'wurtzite', a=3.8, c=6.2),
        [[9, 3, 0], [-6, 15, 3], [4, 0, 7]],
      ),
      4,
    ),
  ],
)
def test_a_supercell_is_divided(atoms, count):
  rng = np.random.default_rng(0)
  atoms = atoms[rng.permutation(len(atoms))]
  atoms.positions += rng.normal(0, 5e-4, atoms.positions.shape)
  start = time.perf_counter()
  small = reduced(atoms)
  assert time.perf_counter() - start < 20
  assert len(small) == count
  assert small.cell.volume / count == pytest.approx(
    atoms.cell.volume / len(atoms), rel=1e-9
  )
  # Every atom of the supercell lies on an atom of the small cell.
  for index in rng.integers(0, len(atoms), 50):
    vectors = atoms.positions[index] - small.positions
    fractional = vectors @ np.linalg.inv(small.cell)
    fractional -= np.rint(fractional)
    distances = np.linalg.norm(fractional @ small.cell[:], axis=1)
    distances[small.numbers != atoms.numbers[index]] = np.inf
    assert distances.min() < 5e-3


def test_one_other_atom_or_noise_leaves_a_cell_whole():
  atoms = ase.build.bulk('Mg').repeat(9)
  atoms.numbers[5] = 8
  assert len(reduced(atoms)) == len(atoms)
  atoms = ase.build.bulk('Mg').repeat(9)
  atoms.rattle(0.1, seed=0)
  assert len(reduced(atoms)) == len(atoms)
