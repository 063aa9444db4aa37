"""Crystal files through a codec and back: what it makes of your crystals.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax reconstruct NaCl.cif --weights=mp_20 --out=again

Writes a CIF a crystal, its primitive cell in a reduced basis, and prints how
many have the composition they came with. What does not come back is listed on
stderr with the reason.

Exit status: 0 if everything came back, 3 if something was skipped, 1 if
nothing came out.
"""

import argparse
import functools
import pathlib

from crystal_jax.cli import inputs
from crystal_jax.io.folder import Folder
from crystal_jax.io.reading.parse import reduced_formula


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """What the verb takes."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  inputs.add_refine(parser)
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder of CIFs'
  )


def run(args: argparse.Namespace) -> int:
  """Reconstructs crystals; returns the exit status."""
  codec, skipped = inputs.open_codec(args.weights), inputs.Skipped()
  folder, written, same = Folder(args.out), 0, 0
  for id_, crystal, again in inputs.ask_each(
    codec,
    args.sources,
    skipped,
    functools.partial(codec.reconstruct, refine=args.refine),
  ):
    folder.write(id_, again)
    written += 1
    same += reduced_formula(crystal.numbers) == reduced_formula(again.numbers)
  print(
    f'wrote {written} crystals to {args.out}, {same} of them of the '
    'composition they came with'
  )
  return skipped.status(written)
