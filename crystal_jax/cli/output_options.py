"""Options of commands that write folders of crystals."""

from __future__ import annotations

import argparse
import math
import pathlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """The options of a command that writes a folder of decoded crystals."""
  add_folder_arguments(parser)
  parser.add_argument(
    '--strict', action='store_true', help='leave uncertain crystals out'
  )


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
  """The options of a command that writes a folder of crystals."""
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder of CIFs'
  )
  parser.add_argument(
    '--overwrite',
    action='store_true',
    help='write into a folder that is not empty',
  )
  parser.add_argument(
    '--json', action='store_true', help='print the table as JSON'
  )
  add_symmetrize(parser)


def add_symmetrize(parser: argparse.ArgumentParser, *names: str) -> None:
  """The option that writes CIFs with their space groups.

  Args:
    parser: Parser of the command.
    *names: Other names of the option.
  """
  parser.add_argument(
    '--symmetrize',
    *names,
    type=_tolerance,
    metavar='Å',
    help='write each CIF with the space group that the crystal has within '
    'this tolerance (Å; 0.01 to 0.1 are typical, 0.5 for samples), exactly '
    'symmetric and in its standard setting',
  )


def _tolerance(text: str) -> float:
  """A positive, finite number."""
  value = float(text)
  if not 0 < value < math.inf:
    raise argparse.ArgumentTypeError(f'{text} is not a positive number')
  return value
