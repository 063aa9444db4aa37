"""Small crystals of many kinds."""

import pathlib

import ase.build
import ase.spacegroup
import numpy as np

import crystal_jax as cj

ROOT = pathlib.Path(__file__).parents[1]


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
  """Kaolinite, Al2Si2O5(OH)4, triclinic; one of the embedded data set."""
  with np.load(ROOT / 'datasets/oqmd_icsd20/data/train.npz') as file:
    (i,) = np.nonzero(file['ids'] == '10576-14462-Al2Si2H4O9')[0]
    atoms = slice(*file['offsets'][i : i + 2])
    return _crystal(
      file['numbers'][atoms], file['frac'][atoms], file['cell'][i]
    )


def embedded(count):
  """Evenly spaced crystals of the embedded data set's held-out split."""
  with np.load(ROOT / 'datasets/oqmd_icsd20/data/val.npz') as file:
    columns = {name: file[name] for name in ('numbers', 'frac', 'cell')}
    offsets = file['offsets']
  found = []
  for i in np.linspace(0, len(offsets) - 2, count).astype(int):
    atoms = slice(*offsets[i : i + 2])
    cell = columns['cell'][i].astype(np.float64)
    positions = columns['frac'][atoms].astype(np.float64) @ cell
    numbers = columns['numbers'][atoms].astype(np.int32)
    found.append(cj.Crystal(numbers, positions, cell))
  return found


def quartz():
  """Right-handed or left-handed, and never both."""
  atoms = ase.spacegroup.crystal(
    ['Si', 'O'],
    [(0.4697, 0, 0), (0.4135, 0.2669, 0.1191)],
    spacegroup=154,
    cellpar=[4.916, 4.916, 5.405, 90, 90, 120],
  )
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


def embedded_by_id(split, id_):
  """A crystal of the embedded data set."""
  with np.load(ROOT / f'datasets/oqmd_icsd20/data/{split}.npz') as file:
    (i,) = np.nonzero(file['ids'] == id_)[0]
    atoms = slice(*file['offsets'][i : i + 2])
    cell = file['cell'][i].astype(np.float64)
    positions = file['frac'][atoms].astype(np.float64) @ cell
    return cj.Crystal(file['numbers'][atoms].astype(np.int32), positions, cell)
