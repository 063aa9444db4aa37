"""Your own crystals to a data set that `--config.data.builder=OUT` trains on.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax prepare NaCl.cif --out=mine

Takes files and folders; subfolders are searched. --properties adds columns of a
CSV by id. A file that holds no crystal of fully occupied sites is skipped, and
listed in OUT/skipped.csv with the reason. An interrupted run continues when it
is started again.

Exit status: 0 if every crystal was read, 3 if some were skipped, 1 if nothing
came out.
"""

import argparse
import pathlib

from crystal_jax import data
from crystal_jax.data import splits
from crystal_jax.io.reading import formats

SKIPPED = 3  # Exit status.


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument(
    'sources', nargs='+', type=pathlib.Path, metavar='IN',
    help=f'files and folders: {formats.DESCRIPTION}',
  )  # fmt: skip
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder to make'
  )
  parser.add_argument(
    '--properties',
    type=pathlib.Path,
    help='scalars by id: a CSV with a column `id`, or an npz with `ids`',
  )
  parser.add_argument(
    '--split',
    default='formula',
    help='formula (default): no reduced formula is in two; file: by the name '
    'of the file, train.csv and so on; or the property that names the split',
  )
  parser.add_argument(
    '--fractions',
    type=float,
    nargs=3,
    default=splits.DEFAULT_FRACTIONS,
    metavar=('TRAIN', 'VAL', 'TEST'),
    help='shares of the splits by formula',
  )
  parser.add_argument(
    '--max-atoms', type=int, default=1000, help='of a crystal'
  )
  parser.add_argument(
    '--time-limit', type=float, default=10.0, help='seconds a file may take'
  )
  parser.add_argument('--workers', type=int, help='processes; default: cores')
  parser.add_argument(
    '--strict', action='store_true', help='stop at the first that is skipped'
  )


def run(args: argparse.Namespace) -> int:
  """Prepares a data set; returns the exit status."""
  import tqdm

  with tqdm.tqdm(unit=' files', disable=None) as bar:
    summary = data.prepare(
      args.sources,
      args.out,
      properties=args.properties,
      split=args.split,
      fractions=args.fractions,
      max_atoms=args.max_atoms,
      time_limit=args.time_limit,
      workers=args.workers,
      strict=args.strict,
      progress=bar.update,
    )
  print(summary)
  print(f'wrote    {args.out}: train with --config.data.builder={args.out}')
  return SKIPPED if summary.num_skipped else 0
