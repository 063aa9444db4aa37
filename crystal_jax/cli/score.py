"""Scores of generated crystals against a data set, whoever generated them.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  ase build -x rocksalt -a 4.21 MgO MgO.cif
  python -m crystal_jax prepare NaCl.cif MgO.cif --out=mine
  python -m crystal_jax score NaCl.cif --reference=mine --out=scores

Prints validity, uniqueness, novelty, coverage (with matminer installed),
Wasserstein distances and, for held-out crystals with a sample of their formula,
match @1 and @K, each beside the value of the reference's own held-out crystals.
Writes scores.json, crystals.csv (one line per crystal) and report.html.

The reference is the stem of compact files (data/mp_le20 for
data/mp_le20_train.npz and data/mp_le20_val.npz), a prepared folder, a folder
with train.csv and val.csv, or mp_20, perov_5 or carbon_24, which read the
published CSV files as datasets/cdvae_csv describes.

A file that holds no whole crystal is a sample too: it is listed on stderr with
the reason and counts as invalid.

Exit status: 0 if every file holds a crystal, 3 if some do not, 1 if none could
be scored.
"""

import argparse
import pathlib

from crystal_jax.cli import inputs, outputs
from crystal_jax.evaluation import samples
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure.crystal import Crystal


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of the verb."""
  inputs.add_sources(parser)
  parser.add_argument(
    '-r', '--reference', required=True, help='the data set; see above'
  )
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder to write'
  )
  parser.add_argument(
    '-k', type=int, default=20, help='candidates per composition (default: 20)'
  )
  parser.add_argument(
    '--coverage',
    action=argparse.BooleanOptionalAction,
    help='coverage, about a second a crystal (default: if matminer is there)',
  )


def run(args: argparse.Namespace) -> int:
  """Scores crystals; returns the exit status."""
  from crystal_jax.evaluation.samples import report

  skipped = outputs.SkipCounter()
  ids: list[str] = []
  crystals: list[Crystal | str] = []
  for result in read_crystals(args.sources):
    if not isinstance(result, Skip):
      crystals.append(result[0])
      ids.append(result[1])
    elif not result.other:  # A sample that holds no whole crystal is invalid.
      crystals.append(result.reason)
      ids.append(result.id or result.file)
  scores = samples.score(
    crystals, args.reference, ids=ids, k=args.k, coverage=args.coverage
  )
  report.write_report(args.out, scores, crystals)
  print(scores.table())
  print(f'wrote {args.out / "report.html"}')
  for row in scores.crystals:
    if row['failure']:
      skipped.skip(row['id'], row['failure'])
  return skipped.status(len(crystals))
