r"""Train/val split of a published validation file.

The published training splits of Perov-5 and Carbon-24 are not always available.
This splits a compact file `NAME_val.npz` into NAME_train.npz and NAME_val.npz
in another folder: a share of its groups is held out for tuning, the rest is for
training. A group is a reduced formula or, where all crystals are of one
element, near-duplicates (`benchmarks.near_duplicates`), merged transitively.

  python -m benchmarks.split_published_val ../shared/data/perov_5_val.npz \
    --out=data
"""

import argparse
import math
import pathlib

import numpy as np

from benchmarks import near_duplicates
from crystal_jax.data import splits

_SUFFIX = '_val.npz'
# Share of the groups that are held out.
SHARE = 0.1


def main(argv=None):
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.split_published_val'
  )
  parser.add_argument('file', type=pathlib.Path)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument(
    '--share', type=float, default=SHARE, help='of groups that are held out'
  )
  args = parser.parse_args(argv)
  if not args.file.name.endswith(_SUFFIX):
    parser.error(f'{args.file}: need a file whose name ends in {_SUFFIX}.')
  if args.out.resolve() == args.file.resolve().parent:
    parser.error(
      f'--out={args.out} is the folder of {args.file.name}, which would be '
      'overwritten; name another folder.'
    )
  with np.load(args.file, allow_pickle=False) as file:
    columns = dict(file)
  heldout = is_heldout(columns, args.share)
  args.out.mkdir(parents=True, exist_ok=True)
  stem = args.file.name.removesuffix(_SUFFIX)
  for split, selected in (('train', ~heldout), ('val', heldout)):
    path = args.out / f'{stem}_{split}.npz'
    np.savez_compressed(
      path, **select_crystals(columns, np.flatnonzero(selected))
    )
    print(f'{path}: {selected.sum()} crystals')


def is_heldout(columns, share=SHARE) -> np.ndarray:
  """Whether the group of each crystal is held out."""
  hashes = [splits.formula_hash(name) for name in groups(columns)]
  return np.array(hashes) < share


def groups(columns) -> list[str]:
  """Name of the group of each crystal."""
  offsets = columns['offsets']
  atoms = [slice(*offsets[i : i + 2]) for i in range(len(offsets) - 1)]
  formulas = [formula(columns['numbers'][one]) for one in atoms]
  if len(set(formulas)) > 1:
    return formulas
  volumes = np.abs(np.linalg.det(columns['cell'].astype(np.float64)))
  return near_duplicates.group_names(
    np.diff(offsets), volumes, columns['energy_per_atom']
  )


def formula(numbers) -> str:
  """Elements and reduced counts."""
  species, counts = np.unique(numbers, return_counts=True)
  counts = counts // math.gcd(*counts.tolist())
  return ' '.join(f'{z}:{n}' for z, n in zip(species, counts, strict=True))


def select_crystals(columns, indices) -> dict:
  """Columns of some crystals of a compact file."""
  offsets = columns['offsets']
  atoms = np.concatenate(
    [np.arange(*offsets[i : i + 2]) for i in indices] or [np.zeros(0, int)]
  )
  counts = np.diff(offsets)[indices]
  selected = {}
  for name, column in columns.items():
    if name == 'offsets':
      selected[name] = np.concatenate([[0], np.cumsum(counts)])
    else:
      rows = atoms if name in ('numbers', 'frac') else indices
      selected[name] = column[rows]
  return selected


if __name__ == '__main__':
  main()
