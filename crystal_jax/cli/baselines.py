"""Parts shared by commands of baselines: known crystals, statistics, files."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

from crystal_jax.cli import draws, output_options, outputs, pages
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import pair_statistics
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.pair_statistics import PairStatistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """The options of both commands."""
  parser.add_argument(
    '--n', type=int, default=10, help='structures (default: %(default)s)'
  )
  parser.add_argument(
    '--seed', type=int, default=0,
    help='seed of all random numbers (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--reference', type=pathlib.Path, nargs='+', metavar='IN',
    help='crystals from which distances and volumes are learnt (default: '
    'those of the package, of the Materials Project)',
  )  # fmt: skip
  output_options.add_folder_arguments(parser)
  pages.add_arguments(parser)


def statistics(args: argparse.Namespace) -> PairStatistics:
  """Distances and volumes of `--reference`, or of the package."""
  if args.reference is None:
    return pair_statistics.shipped()
  return pair_statistics.learn(known(args.reference))


def known(sources: Sequence[pathlib.Path]) -> list[Crystal]:
  """Crystals of files and folders.

  Raises:
    ValueError: If they hold no crystal.
    FileNotFoundError: If one of the sources does not exist.
  """
  results = read_crystals(sources)
  crystals = [each[0] for each in results if not isinstance(each, Skip)]
  if not crystals:
    names = ', '.join(map(str, sources))
    raise ValueError(f'{names}: no crystals found.')
  return crystals


def prepare_output(args: argparse.Namespace) -> None:
  """Refuses a number below one and a folder that is not empty.

  With `--overwrite`, removes the files of an earlier run.

  Raises:
    ValueError: If either is refused.
  """
  if args.n < 1:
    raise ValueError(f'Need --n={args.n} to be at least 1.')
  outputs.prepare_folder(args.out, overwrite=args.overwrite)


def write(
  args: argparse.Namespace, structures: Sequence[Crystal | str], title: str
) -> int:
  """Writes CIFs, the table and a gallery; returns the exit status."""
  failures = {i: s for i, s in enumerate(structures) if isinstance(s, str)}
  crystals = [None if isinstance(s, str) else s for s in structures]
  return draws.write(args, draws.SampleReport(failures), crystals, title)
