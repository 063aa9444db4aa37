"""Baseline: known crystals with ions exchanged for ions of the same charge.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax substitute NaCl.cif --n=5 --out=substituted

Each structure is a random known crystal in which at least one ion is exchanged,
by the probabilities that were mined from known crystals (Hautier et al., 2011),
in a cell scaled to the volume of its new atoms. Known crystals without
oxidation states, such as alloys, are skipped.

Writes a CIF for each structure, index.html and index.tsv.

Exit status: 0 if all were made, 3 if some were not, 1 if none was.
"""

import argparse
import pathlib

from crystal_jax.baselines.substitution import substituted_structures
from crystal_jax.cli import baselines


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument(
    'known',
    nargs='+',
    type=pathlib.Path,
    help='files and folders of known crystals',
  )
  baselines.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Makes structures; returns the exit status."""
  baselines.prepare_output(args)
  known = baselines.known(args.known)
  structures = substituted_structures(
    known, args.n, baselines.statistics(args), seed=args.seed
  )
  return baselines.write(args, structures, 'Known crystals, ions exchanged')
