"""Crystals along the line between the latents of two.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  ase build -x rocksalt -a 6.60 KBr KBr.cif
  python -m crystal_jax interpolate NaCl.cif KBr.cif --steps=9 --out=between

Writes 00.cif (the first, as the codec gives it back) to 08.cif (the last),
index.tsv, and index.html: a film strip between the two. Most
latents between two crystals are those of no crystal: the nearest crystal is
written as *.uncertain.cif, or left out with --strict. A step that decodes to no
crystal is listed on stderr with the reason.

Exit status: 0 if every step gave a certain crystal, 3 if some did not, 1 if
none gave a crystal.
"""

import argparse
import pathlib

from crystal_jax.cli import inputs, output_options, outputs, pages
from crystal_jax.evaluation import pairs
from crystal_jax.io import read


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  for name in 'first', 'last':
    parser.add_argument(name, type=pathlib.Path, help='a crystal file')
  inputs.add_weights(parser)
  parser.add_argument(
    '--steps', type=int, default=9, help='crystals, ends included (default: 9)'
  )
  output_options.add_arguments(parser)
  pages.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Interpolates; returns the exit status."""
  ends = read(args.first), read(args.last)
  codec = inputs.open_codec(args.weights)
  codec.encode(ends, skip=True)
  for end, reason in codec.failures.items():
    path = (args.first, args.last)[end]
    raise ValueError(
      f'{path}: {reason}{inputs.codec_suggestion(ends[end], codec)}.'
    )
  crystals = codec.interpolate(*ends, steps=args.steps)
  certain, residuals = codec.certain, codec.residuals
  folder = outputs.CrystalFolder(args)
  page = pages.Page(args)
  first, last = (
    pairs.panel(pairs.in_frame(codec, crystal), path.name)
    for crystal, path in zip(ends, (args.first, args.last), strict=True)
  )
  for step, crystal in enumerate(crystals):
    name = f'{step:02d}'
    if crystal is None:
      folder.skip(name, codec.failures[step])
    else:
      folder.write(name, crystal, bool(certain[step]), float(residuals[step]))
      suffix = '' if certain[step] else ', uncertain'
      page.add(first, pairs.panel(crystal, f'{name}{suffix}'), last)
  message = page.write(f'From {args.first.name} to {args.last.name}')
  return folder.finish(page_message=message)
