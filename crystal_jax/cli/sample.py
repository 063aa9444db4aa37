"""Crystals that nobody has seen, drawn from a codec's prior.

  python -m crystal_jax sample --n=4 --out=free
  python -m crystal_jax sample --composition=LiCoO2 --n=4 --out=licoo2
  python -m crystal_jax sample --elements=Li,Co,O --n=4 --out=oxides

Writes a CIF for each draw, index.html (a gallery of the first 100) and
index.tsv: formula, space group (within 0.1 Å), density (g/cm³), shortest
distance (Å), how far the crystal's own latent is from the sampled one
(`residual`; about 1 is as in the data), and what was asked and is not so. A
draw of which no valid crystal comes is listed on stderr with the reason.

--screen drops, in this order: crystals with a distance below those of known
crystals, with charges that cannot balance (needs the extra [eval]), that match
an earlier draw, or a crystal of --known, or lie too far above the hull
(--screen-energy). The log says each step's share; screened.csv, what was
dropped and why.

Exit status: 0 if every draw gave a crystal, 3 if some did not, 1 if none did.
"""

import argparse
import dataclasses
import warnings

from crystal_jax.cli import draws, screening


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this verb."""
  draws.add_arguments(parser)
  parser.add_argument('--formula-units', type=int, help='of the primitive cell')
  parser.add_argument(
    '--screen', action='store_true', help='drop what is not sensible; see above'
  )
  screening.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Draws crystals; returns the exit status."""
  codec = draws.open_codec(args)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', UserWarning)  # The table says it.
    crystals = codec.sample(
      args.n,
      seed=args.seed,
      formula_units=args.formula_units,
      **draws.conditions(args),
    )
  crystals = draws.symmetrized(args, crystals)
  notes = draws.Notes.of(codec)
  if args.screen:
    dropped = screening.screen(args, crystals)
    notes = dataclasses.replace(notes, dropped=dropped)
  title = f'Draws of {args.composition or args.elements or "any composition"}'
  return draws.write(args, notes, crystals, title)
