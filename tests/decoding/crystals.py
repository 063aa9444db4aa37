"""Small crystals of many kinds, made by hand."""

import ase.build
import ase.spacegroup
import numpy as np

import crystal_jax as cj


def _crystal(symbols, scaled, cell):
  atoms = ase.Atoms(symbols, scaled_positions=scaled, cell=cell, pbc=True)
  return cj.Crystal.from_ase(atoms)


def perovskite():
  scaled = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5]]
  return _crystal('SrTiO3', [*scaled, [0, 0.5, 0.5]], [3.905] * 3)


def wurtzite():
  return cj.Crystal.from_ase(
    ase.build.bulk('ZnO', 'wurtzite', a=3.25, c=5.2, u=0.38)
  )


def silicate():
  """Triclinic; places and cell after low albite, made small."""
  rng = np.random.default_rng(3)
  cell = [7.1, 7.4, 7.7, 115.0, 107.0, 101.0]
  numbers = [11, 13, 14, 14, 14] + [8] * 8
  while True:  # places at random, none too near another
    scaled = rng.random((len(numbers), 3))
    atoms = ase.Atoms(numbers, scaled_positions=scaled, cell=cell, pbc=True)
    apart = atoms.get_all_distances(mic=True) + 9 * np.eye(len(numbers))
    if apart.min() > 1.55:
      return cj.Crystal.from_ase(atoms)


def bcc():
  return cj.Crystal.from_ase(ase.build.bulk('Fe', 'bcc', a=2.87))


def hydride():
  scaled = [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]]
  cell = np.array([[0, 2.4, 2.4], [2.4, 0, 2.4], [2.4, 2.4, 0]])
  return _crystal('TiH2', scaled, cell)


def layered():
  """A long cell, 18 Å, of layers two of which differ in height."""
  z = [0.0, 0.085, -0.085, 0.5, 0.58, 0.41]
  third = [[0, 0], [1 / 3, 2 / 3], [1 / 3, 2 / 3]]
  third += [[2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 0]]
  scaled = [[x, y, h] for (x, y), h in zip(third, z, strict=True)]
  return _crystal('MoS2WSe2', scaled, [3.2, 3.2, 18.0, 90, 90, 120])


ALL = (perovskite, wurtzite, silicate, bcc, hydride, layered)
