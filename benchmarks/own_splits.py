r"""Training and tuning parts of a published validation split.

The published training splits of Perov-5 and Carbon-24 are not always available.
This splits a compact file `NAME_val.npz` into NAME_train.npz and NAME_val.npz
in another folder: a share of its groups is held out for tuning, the rest is for
training. A group is a reduced formula, or, where all crystals are of one
element, a set of twins: the same number of atoms, volumes within 0.2 % and
energies within 1 meV/atom.

  python -m benchmarks.own_splits ../shared/data/perov_5_val.npz --out=data
"""

import argparse
import hashlib
import math
import pathlib

import numpy as np


def main():
  parser = argparse.ArgumentParser(prog='python -m benchmarks.own_splits')
  parser.add_argument('file', type=pathlib.Path)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument(
    '--share', type=float, default=0.1, help='of groups that are held out'
  )
  flags = parser.parse_args()
  with np.load(flags.file, allow_pickle=False) as file:
    columns = dict(file)
  names = groups(columns)
  draws = [
    int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
    for name in names
  ]
  heldout = np.array(draws) < flags.share
  flags.out.mkdir(parents=True, exist_ok=True)
  stem = flags.file.name.removesuffix('_val.npz')
  for split, chosen in (('train', ~heldout), ('val', heldout)):
    path = flags.out / f'{stem}_{split}.npz'
    np.savez_compressed(path, **rows(columns, np.flatnonzero(chosen)))
    print(f'{path}: {chosen.sum()} crystals')


def groups(columns) -> list[str]:
  """The group of each crystal."""
  offsets = columns['offsets']
  atoms = [slice(*offsets[i : i + 2]) for i in range(len(offsets) - 1)]
  formulas = [formula(columns['numbers'][one]) for one in atoms]
  if len(set(formulas)) > 1:
    return formulas
  counts = np.diff(offsets)
  volumes = np.abs(np.linalg.det(columns['cell'].astype(np.float64)))
  energies = columns['energy_per_atom']
  names = [str(i) for i in range(len(counts))]
  # Twins of twins are one group.
  for i in np.argsort(volumes):
    near = np.abs(volumes / volumes[i] - 1) < 2e-3
    near &= (counts == counts[i]) & (np.abs(energies - energies[i]) < 1e-3)
    merged = {names[j] for j in np.flatnonzero(near)}
    names = [names[i] if name in merged else name for name in names]
  return names


def formula(numbers) -> str:
  """Elements and reduced counts."""
  species, counts = np.unique(numbers, return_counts=True)
  counts = counts // math.gcd(*counts.tolist())
  return ' '.join(f'{z}:{n}' for z, n in zip(species, counts, strict=True))


def rows(columns, chosen) -> dict:
  """The chosen crystals of a compact file."""
  offsets = columns['offsets']
  atoms = np.concatenate(
    [np.arange(*offsets[i : i + 2]) for i in chosen] or [np.zeros(0, int)]
  )
  counts = np.diff(offsets)[chosen]
  made = {}
  for name, column in columns.items():
    if name == 'offsets':
      made[name] = np.concatenate([[0], np.cumsum(counts)])
    else:
      made[name] = column[atoms if name in ('numbers', 'frac') else chosen]
  return made


if __name__ == '__main__':
  main()
