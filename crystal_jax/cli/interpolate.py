"""The crystals between two: along the line from one latent to another.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  ase build -x rocksalt -a 6.60 KBr KBr.cif
  python -m crystal_jax interpolate NaCl.cif KBr.cif --steps=9 --out=between

Writes 00.cif (the first, as the codec gives it back) to 08.cif (the last). A
step at which there is no crystal is listed on stderr with the reason.

Exit status: 0 if every step gave a crystal, 3 if some did not, 1 if none did.
"""

import argparse
import pathlib

from crystal_jax.cli import inputs
from crystal_jax.io import read
from crystal_jax.io.folder import Folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """What the verb takes."""
  for name in 'first', 'last':
    parser.add_argument(name, type=pathlib.Path, help='a crystal file')
  inputs.add_weights(parser)
  parser.add_argument('--steps', type=int, default=9, help='ends included')
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder of CIFs'
  )


def run(args: argparse.Namespace) -> int:
  """Interpolates; returns the exit status."""
  ends = read(args.first), read(args.last)
  codec, skipped = inputs.open_codec(args.weights), inputs.Skipped()
  crystals = codec.interpolate(*ends, steps=args.steps)
  folder, written = Folder(args.out), 0
  for step, crystal in enumerate(crystals):
    name = f'{step:02d}'
    if crystal is None:
      skipped.add(f'step {name}', codec.failures[step])
    else:
      formula = crystal.to_ase().get_chemical_formula()
      print(f'{folder.write(name, crystal)}: {formula}')
      written += 1
  return skipped.status(written)
