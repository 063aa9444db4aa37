"""Crystal files through a codec and back, a CIF for each.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax reconstruct NaCl.cif --weights=mp_20 --out=decoded

Writes a CIF of each crystal's primitive cell in a reduced basis, index.tsv (its
residual, and whether it is certain) and index.html: each crystal beside the
decoded one, on a page that opens offline. Prints how many keep their
composition. Uncertain crystals are written as *.uncertain.cif, or left out with
--strict; a crystal that is not encoded or decoded is listed on stderr with the
reason.

Exit status: 0 if every crystal was decoded, 3 if something was skipped or is
uncertain, 1 if nothing came out.
"""

import argparse

import numpy as np

from crystal_jax.cli import inputs, outputs, pages
from crystal_jax.evaluation import pairs
from crystal_jax.io.reading.parse import reduced_formula


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  inputs.add_refine(parser)
  outputs.add_arguments(parser)
  pages.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Reconstructs crystals; returns the exit status."""
  codec = inputs.open_codec(args.weights)
  folder, num_equal = outputs.CrystalFolder(args), 0
  page = pages.Page(args)

  def reconstruct(crystals):
    found = codec.reconstruct(
      crystals, refine=args.refine, refine_seconds=args.refine_seconds
    )
    return [*zip(found, codec.certain, codec.residuals, strict=True)]

  for id_, crystal, (decoded, certain, residual) in inputs.apply_codec(
    codec, args.sources, folder, reconstruct
  ):
    folder.write(id_, decoded, bool(certain), float(residual))
    num_equal += _formula(crystal) == _formula(decoded)
    if page.is_open:
      suffix = '' if certain else ', uncertain'
      page.add(*pairs.pair(codec, id_, crystal, decoded, suffix))
  message = page.write('Crystals and decoded crystals')
  note = f', {num_equal} with their composition unchanged'
  return folder.finish(note, message)


def _formula(crystal) -> str:
  return reduced_formula(np.asarray(crystal.numbers))
