"""Neighbours of a crystal: its latent with noise, brought back by the prior.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax alter NaCl.cif --strength=0.3 --n=4 --out=like_nacl

At a small strength the crystal itself comes back, at 1 a draw that has
forgotten it. The atoms stay those of the crystal if neither a composition nor
elements nor a number of atoms is given. Files, table, page and exit status as
of `sample`.
"""

import argparse
import pathlib

from crystal_jax.cli import draws, inputs
from crystal_jax.evaluation import pairs
from crystal_jax.io import read


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('crystal', type=pathlib.Path, help='a crystal file')
  draws.add_arguments(parser)
  parser.add_argument(
    '--strength', type=float, default=0.3, help='above 0, to 1'
  )


def run(args: argparse.Namespace) -> int:
  """Alters a crystal; returns the exit status."""
  crystal = read(args.crystal)
  codec = draws.open_codec(args)
  codec.encode(crystal, skip=True)
  if codec.failures:
    reason = codec.failures[0] + inputs.codec_suggestion(crystal, codec)
    raise ValueError(f'{args.crystal}: {reason}.')
  with draws.unmet_in_table():
    crystals = codec.alter(
      crystal,
      args.n,
      strength=args.strength,
      seed=args.seed,
      **draws.conditions(args),
    )
  crystals = draws.symmetrized(args, crystals)
  first = None
  if not args.no_page:
    first = pairs.panel(pairs.in_frame(codec, crystal), 'given')
  title = f'Neighbours of {args.crystal.name}'
  return draws.write(args, draws.SampleReport.of(codec), crystals, title, first)
