"""Crystal files through a codec and back, a CIF for each.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax reconstruct NaCl.cif --weights=mp_20 --out=decoded

Writes a CIF of each crystal's primitive cell in a reduced basis, index.tsv (its
residual, and whether it is certain) and index.html: each crystal beside the
decoded one, on a page that opens offline. Prints how many keep their
composition. With pymatgen installed (extra [train]) the table also has how far
the decoded crystal is from the given one: `distance`, the RMS distance of their
atoms in Å, and `length_error`, the largest relative error of a lattice vector's
length; both are empty if they do not match. Uncertain crystals are written as
*.uncertain.cif, or left out with --strict; a crystal that is not encoded or
decoded is listed on stderr with the reason.

Exit status: 0 if every crystal was decoded, 3 if something was skipped or is
uncertain, 1 if nothing came out.
"""

import argparse
import importlib.util
from collections.abc import Sequence

import numpy as np

from crystal_jax.cli import inputs, output_options, outputs, pages
from crystal_jax.evaluation import matching, pairs
from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.structure.crystal import Crystal

# Columns of the table that compare a decoded crystal with the given one.
COLUMNS = 'distance', 'length_error'
# Number of crystals that are compared in this process.
_FEW = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  inputs.add_refine(parser)
  output_options.add_arguments(parser)
  pages.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Reconstructs crystals; returns the exit status."""
  codec = inputs.open_codec(args.weights)
  folder, num_equal = outputs.CrystalFolder(args, COLUMNS), 0
  distances: list[float] = []
  page = pages.Page(args)

  def reconstruct(crystals):
    found = codec.reconstruct(
      crystals, refine=args.refine, refine_seconds=args.refine_seconds
    )
    columns = codec.certain, codec.residuals, errors_of(crystals, found)
    return [*zip(found, *columns, strict=True)]

  for id_, crystal, (decoded, certain, residual, errors) in inputs.apply_codec(
    codec, args.sources, folder, reconstruct
  ):
    folder.write(id_, decoded, bool(certain), float(residual), errors)
    num_equal += _formula(crystal) == _formula(decoded)
    distances += [errors['distance']] if errors else []
    if page.is_open:
      suffix = '' if certain else ', uncertain'
      page.add(*pairs.pair(codec, id_, crystal, decoded, suffix))
  message = page.write('Crystals and decoded crystals')
  note = f', {num_equal} with their composition unchanged'
  if importlib.util.find_spec('pymatgen') is None:
    note += "; not compared (install 'crystal_jax[train]' for distances)"
  elif distances:
    note += (
      f'; {len(distances)} match the given crystal, median RMS distance '
      f'{np.median(distances):.2g} Å'
    )
  return folder.finish(note, message)


def errors_of(
  crystals: Sequence[Crystal], found: Sequence[Crystal | None]
) -> list[dict[str, float]]:
  """`COLUMNS` of each decoded crystal; empty if it does not match."""
  if importlib.util.find_spec('pymatgen') is None:
    return [{} for _ in crystals]
  # A process takes longer to start than a few crystals to compare.
  workers = 0 if len(crystals) <= _FEW else None
  compared = matching.compare(crystals, found, workers=workers)
  rows = []
  for crystal, each in zip(crystals, compared, strict=True):
    cell = np.asarray(crystal.cell, np.float64)
    unit = (abs(np.linalg.det(cell)) / len(crystal.numbers)) ** (1 / 3)
    errors = {
      'distance': each.rmse * unit,
      'length_error': each.length_error,
    }
    rows.append(errors if each.match else {})
  return rows


def _formula(crystal: Crystal) -> str:
  return reduced_formula(np.asarray(crystal.numbers))
