"""Neighbours of a crystal: noise on its latent, which the prior removes.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax alter NaCl.cif --strength=0.3 --n=4 --out=like_nacl

With a small strength the crystal itself is decoded, with 1 a sample that does
not depend on it. Without --composition, --elements and --num-atoms, samples
have the atoms of the crystal. Files, table, page and exit status are those of
`sample`.
"""

import argparse
import pathlib

from crystal_jax.cli import draw_options, draws, inputs
from crystal_jax.evaluation import pairs
from crystal_jax.io import read


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('crystal', type=pathlib.Path, help='a crystal file')
  draw_options.add_arguments(parser)
  parser.add_argument(
    '--strength',
    type=float,
    default=0.3,
    help='share of noise, above 0, at most 1 (default: %(default)s)',
  )


def run(args: argparse.Namespace) -> int:
  """Alters a crystal; returns the exit status."""
  crystal = read(args.crystal)
  codec = draw_options.open_codec(args)
  codec.encode(crystal, skip=True)
  if codec.failures:
    reason = codec.failures[0] + inputs.codec_suggestion(crystal, codec)
    raise ValueError(f'{args.crystal}: {reason}.')
  with draw_options.unmet_in_table():
    crystals = codec.alter(
      crystal,
      args.n,
      strength=args.strength,
      seed=args.seed,
      **draw_options.conditions(args),
    )
  crystals = draws.symmetrize(args, crystals)
  first = None
  if not args.no_page:
    first = pairs.panel(pairs.in_frame(codec, crystal), 'given')
  title = f'Neighbours of {args.crystal.name}'
  return draws.write(args, draws.SampleReport.of(codec), crystals, title, first)
