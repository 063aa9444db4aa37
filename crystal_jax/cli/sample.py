"""New crystals, sampled from a codec's prior.

  python -m crystal_jax sample --n=4 --out=free
  python -m crystal_jax sample --composition=LiCoO2 --n=4 --out=licoo2
  python -m crystal_jax sample --elements=Li,Co,O --n=4 --out=oxides

Writes a CIF for each sample, index.html (a gallery of the first 100) and
index.tsv: formula, space group (within 0.1 Å, or within --symmetrize), density
(g/cm³), shortest distance (Å), residual (mean squared difference of its latent
and the sampled one, in standard deviations of the posterior; below 1 for a
crystal decoded from its own latent) and unmet conditions. A sample that decodes
to no valid crystal is listed on stderr with the reason.

--screen drops, in this order: crystals with too short distances; with charges
that cannot balance (needs the extra [eval], else not tested); duplicates;
crystals of --known; crystals more than --screen-energy above the hull. The log
gives each step's share; screened.csv lists dropped crystals with the reason.

Exit status: 0 if every sample gave a crystal, 3 if some did not, 1 if none did.
"""

import argparse
import dataclasses

from crystal_jax.cli import draw_options, draws, screening


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  draw_options.add_arguments(parser)
  parser.add_argument(
    '--formula-units', type=int, help='formula units in the primitive cell'
  )
  parser.add_argument(
    '--screen', action='store_true',
    help='drop implausible crystals (see above)',
  )  # fmt: skip
  screening.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Samples crystals; returns the exit status."""
  codec = draw_options.open_codec(args)
  with draw_options.unmet_in_table():
    crystals = codec.sample(
      args.n,
      seed=args.seed,
      formula_units=args.formula_units,
      **draw_options.conditions(args),
    )
  crystals = draws.symmetrize(args, crystals)
  report = draws.SampleReport.of(codec)
  if args.screen:
    dropped = screening.screen(args, crystals)
    report = dataclasses.replace(report, dropped=dropped)
  title = f'Samples of {args.composition or args.elements or "any composition"}'
  return draws.write(args, report, crystals, title)
