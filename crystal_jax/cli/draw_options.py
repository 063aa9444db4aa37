"""Options of commands that sample crystals, and the conditions they set."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

from crystal_jax.cli import inputs, output_options, outputs, pages
from crystal_jax.codec.codec import UnmetWarning


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """The options of both commands."""
  inputs.add_weights(parser)
  parser.add_argument(
    '--prior', type=pathlib.Path,
    help="a prior's folder or run (default: the one beside the weights)",
  )  # fmt: skip
  parser.add_argument(
    '--n', type=int, default=10, help='samples (default: %(default)s)'
  )
  parser.add_argument(
    '--seed', type=int, default=0,
    help='seed of all random numbers (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument('--composition', help='a ratio, such as LiCoO2')
  parser.add_argument(
    '--num-atoms', type=int, help='atoms in the primitive cell'
  )
  parser.add_argument(
    '--elements', help='all elements of the crystals, such as Li,Co,O'
  )
  parser.add_argument(
    '--exclude-elements', help='elements to leave out, such as Pb,Cd'
  )
  parser.add_argument('--space-group', type=int, help='1 to 230')
  parser.add_argument('--crystal-system', help='cubic, hexagonal, ..')
  parser.add_argument(
    '--property', action='append', default=[], metavar='NAME=VALUE',
    help='such as formation_energy_per_atom=-2; may be repeated',
  )  # fmt: skip
  parser.add_argument(
    '--experimental', action=argparse.BooleanOptionalAction, default=None,
    help='as crystals that were observed in experiments, or only computed',
  )  # fmt: skip
  parser.add_argument(
    '--guidance',
    type=float,
    help='weight of the conditions; 1: as in the data (default: 2)',
  )
  parser.add_argument(
    '--temperature',
    type=float,
    help='variety of structures: 1 as in the data, near 0 the likeliest one '
    '(default: 0.5)',
  )
  parser.add_argument(
    '--exact',
    action='store_true',
    help='sample again while conditions are unmet',
  )
  output_options.add_folder_arguments(parser)
  pages.add_arguments(parser)


def conditions(args: argparse.Namespace) -> dict[str, Any]:
  """Conditions of the options, as `Codec.sample` takes them."""
  return {
    'composition': args.composition,
    'num_atoms': args.num_atoms,
    'elements': _symbols(args.elements),
    'exclude_elements': _symbols(args.exclude_elements),
    'space_group': args.space_group,
    'crystal_system': args.crystal_system,
    'properties': dict(map(_property, args.property)) or None,
    'experimental': args.experimental,
    'guidance': args.guidance,
    'temperature': args.temperature,
    'exact': args.exact,
  }


def open_codec(args: argparse.Namespace) -> Any:
  """The codec, with the prior of `--prior`; empties the output folder.

  Raises:
    ValueError: If the folder is not empty, or the codec does not exist.
    OSError: If the prior does not exist.
  """
  codec = inputs.open_codec(args.weights)
  if args.prior is not None:
    codec.load_prior(args.prior)
  outputs.prepare_folder(args.out, overwrite=args.overwrite)
  return codec


@contextlib.contextmanager
def unmet_in_table() -> Iterator[None]:
  """Hides the warning that counts unmet conditions; the table has them."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', UnmetWarning)
    yield


def _symbols(text: str | None) -> set[str] | None:
  if text is None:
    return None
  return {each.strip() for each in text.split(',') if each.strip()}


def _property(text: str) -> tuple[str, float]:
  name, separator, value = text.partition('=')
  try:
    return name, float(value)
  except ValueError:
    raise ValueError(
      f'--property={text}: need NAME=VALUE, such as band_gap=1.5.'
    ) from None
