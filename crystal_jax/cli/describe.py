"""A data set on one page: counts, elements, sizes, symmetry.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax prepare NaCl.cif --out=mine
  python -m crystal_jax describe mine --out=mine.html

Takes what --config.data.builder takes: a prepared folder, a TFDS builder's
folder, or the stem of compact files.
"""

import argparse
import pathlib

from crystal_jax import data
from crystal_jax.data import card, splits
from crystal_jax.data.summary import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('builder', help='the data set')
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, help='default: card.html in the folder'
  )
  parser.add_argument(
    '--data-dir', help="folder of prepared data (default: TFDS's)"
  )
  parser.add_argument('--manual-dir', help='folder of files that you provide')
  parser.add_argument(
    '--sample',
    type=int,
    default=500,
    help='crystals whose symmetry and distances are computed (default: 500)',
  )


def run(args: argparse.Namespace) -> int:
  """Writes the page; returns the exit status."""
  folder = pathlib.Path(args.builder)
  log, summary = folder / 'skipped.csv', folder / 'summary.json'
  out = args.out
  if out is None:
    name = f'{folder.name}.html'
    out = folder / 'card.html' if log.is_file() else pathlib.Path(name)
  found = {
    split: data.load(
      args.builder, split, data_dir=args.data_dir, manual_dir=args.manual_dir
    )
    for split in data.split_names(args.builder, args.data_dir, args.manual_dir)
  }
  card.write(
    out,
    folder.name,
    dict(sorted(found.items(), key=lambda item: _order(item[0]))),
    skipped=card.read_skipped(log) if log.is_file() else None,
    covered=Summary.load(summary).covered if summary.is_file() else None,
    sample=args.sample,
  )
  print(f'wrote {out}')
  return 0


def _order(split: str) -> tuple[int, str]:
  known = splits.SPLITS
  return (known.index(split) if split in known else len(known), split)
