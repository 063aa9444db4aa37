"""Supercells of one split of a data set, as a compact file.

  python -m crystal_jax.data.synthetic datasets/oqmd_icsd20 train \
    --count=24000 --out=data/synthetic_train.npz

The file is written at the end, at once.
"""

from __future__ import annotations

import argparse

from crystal_jax.data.arrays import in_memory, records
from crystal_jax.data.sources import load_split
from crystal_jax.data.synthetic.generator import Record, supercells
from crystal_jax.io.reading import compact
from crystal_jax.io.reading.parse import reduced_formula


def main(argv: list[str] | None = None) -> None:
  """Writes supercells of one split of a data set."""
  parser = argparse.ArgumentParser(
    prog='python -m crystal_jax.data.synthetic',
    description='Distorted, doped supercells of the crystals of a data set.',
  )
  parser.add_argument('source', help='data set, as of --config.data.builder')
  parser.add_argument('split', help='split of the source, such as train')
  parser.add_argument('--out', required=True, help='npz file to write')
  parser.add_argument('--count', type=int, default=24_000)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--exclude',
    nargs='*',
    default=(),
    metavar='SPLIT',
    help='splits of the source whose reduced formulas must not occur',
  )
  args = parser.parse_args(argv)
  excluded = {
    reduced_formula(row['numbers'])
    for split in args.exclude
    for row in _rows(args.source, split)
  }
  rows = list(
    supercells(
      _rows(args.source, args.split),
      args.count,
      args.seed,
      accept=lambda formula: formula not in excluded,
    )
  )
  compact.write_records(args.out, rows)
  print(f'wrote {len(rows)} supercells to {args.out}')


def _rows(source: str, split: str) -> list[Record]:
  opened = load_split(source, split)
  if not len(opened):
    return []
  arrays = in_memory(opened)
  return records(arrays, range(len(arrays['numbers'])))


if __name__ == '__main__':
  main()
