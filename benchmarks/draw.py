"""Crystals sampled from a codec's prior, scored as in publications.

  python -m benchmarks.draw --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --compositions=1000 --free=1000

By composition: one draw for the composition and number of atoms of each of
some crystals of `--data`, of formulas that training never had; `--tries` draws
of each for @k. Match: pymatgen's `StructureMatcher(stol=0.5, angle_tol=10,
ltol=0.3)`, RMSE over matches, every crystal in the denominator. `gated` counts
a match only if the sampled crystal passes the rule of validity (distances,
volume, SMACT), as CDVAE does; the true crystals pass it in `true valid`.

Free: draws without any condition. Structure: no distance below 0.5 Å, volume
above 0.1 Å³. Composition: charges can balance (SMACT). Wasserstein distances of
density (g/cm³) and number of elements to `--reference`. Unique: no earlier draw
matches it; novel: no crystal of `--seen` does, both with the tolerances of
`score` (0.2, 5°, 0.3). Structure and composition are shares of the draws that
were asked for, unique and novel of the valid ones.

Element sets: one draw for the elements of each of some crystals of `--data`
with three elements; met if a valid crystal of exactly these elements comes.
By formula: compositions alone, without any structure. Seconds are CPU time,
compilation included.
"""

from __future__ import annotations

import argparse
import pathlib

from benchmarks import draw_by_composition, draw_free
from crystal_jax.codec.codec import Codec
from crystal_jax.generation import latent_sampling


def main() -> None:
  args = _arguments()
  codec = Codec.load(args.weights)
  if args.prior:
    codec.load_prior(args.prior)
  prior = codec._opened_prior()
  if args.compositions:
    draw_by_composition.by_composition(codec, prior, args)
  if args.free:
    draw_free.free(codec, prior, args)
  if args.element_sets:
    draw_free.element_sets(codec, prior, args)
  if args.by_formula:
    draw_free.compositions_alone(codec, prior, args)


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--prior', help="a prior's folder or run")
  parser.add_argument('--data', type=pathlib.Path, required=True)
  shared = '../shared/data/mp_le20_{}.npz'
  parser.add_argument('--reference', default=shared.format('val'))
  parser.add_argument('--seen', default=shared.format('train'))
  parser.add_argument('--compositions', type=int, default=0)
  parser.add_argument('--tries', type=int, default=1)
  parser.add_argument('--free', type=int, default=0)
  parser.add_argument('--element-sets', type=int, default=0)
  parser.add_argument('--by-formula', type=int, default=0)
  parser.add_argument(
    '--guidance', type=float, default=latent_sampling.GUIDANCE
  )
  parser.add_argument('--steps', type=int, default=latent_sampling.STEPS)
  parser.add_argument(
    '--temperature', type=float, default=latent_sampling.TEMPERATURE,
    help='scale of the noise of latents; --free has the default (%(default)s)',
  )  # fmt: skip
  parser.add_argument('--refine', default='none')
  parser.add_argument(
    '--symmetrize', type=float, default=0.0,
    help='tolerance, Å, of the symmetry of draws by composition; 0: none',
  )  # fmt: skip
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--workers', type=int, default=0)
  parser.add_argument('--show', type=int, default=0, help='print so many draws')
  return parser.parse_args()


if __name__ == '__main__':
  main()
