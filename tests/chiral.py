"""Chiral crystals of both hands, and their space groups."""

import ase
import ase.spacegroup
import numpy as np
import spglib

import crystal_jax as cj
from crystal_jax.structure.primitive import quietly


def _both_hands(symbols, basis, group, mirrored, cellpar):
  """One crystal in P3_121 or the like, and its mirror image."""
  atoms = ase.spacegroup.crystal(
    symbols, basis, spacegroup=group, cellpar=cellpar
  )
  mirror = atoms.copy()
  mirror.set_scaled_positions(-atoms.get_scaled_positions())
  return {group: atoms, mirrored: mirror}


_HEXAGONAL = 90, 90, 120
QUARTZ = _both_hands(
  ['Si', 'O'],
  [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.1191 + 1 / 3)],
  152,
  154,
  (4.913, 4.913, 5.405, *_HEXAGONAL),
)
TELLURIUM = _both_hands(
  ['Te'], [(0.2636, 0, 1 / 3)], 152, 154, (4.456, 4.456, 5.921, *_HEXAGONAL)
)
CINNABAR = _both_hands(
  ['Hg', 'S'],
  [(0.7198, 0, 1 / 3), (0.4889, 0, 5 / 6)],
  152,
  154,
  (4.145, 4.145, 9.496, *_HEXAGONAL),
)
CASES = [
  (f'{name}-{group}', group, cj.Crystal.from_ase(atoms))
  for name, hands in (
    ('quartz', QUARTZ), ('Te', TELLURIUM), ('HgS', CINNABAR)
  )
  for group, atoms in hands.items()
]  # fmt: skip


def left_handed(crystal):
  """The same crystal, by a left-handed basis of its lattice."""
  return cj.Crystal(
    crystal.numbers, crystal.positions, np.asarray(crystal.cell)[[1, 0, 2]]
  )


def space_group(crystal, symprec=1e-3):
  """The number of a crystal's space group, by spglib."""
  cell = np.asarray(crystal.cell, float)
  assert np.linalg.det(cell) > 0
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(cell)
  return quietly(
    spglib.get_symmetry_dataset,
    (cell, fractional, np.asarray(crystal.numbers)),
    symprec=symprec,
  ).number
