"""Crystals of lower formation energy, found by `codec.optimize`.

  python -m benchmarks.optimize --data=../shared/data/mp_20_part_val.npz \
    --seen=../shared/data/mp_le20 --crystals=100

As in CDVAE's table: random held-out crystals are optimized; printed is the
share that is brought below the 5, 10 and 15 % quantile of the energies of the
whole set. The energy is what the codec's head reads off the latent of the
*decoded* crystal, as CDVAE's is what its predictor says, so that the table
tells how far the latent can be followed, and nothing about the crystals. So
further columns count the optimized crystals that are valid (distances, volume,
SMACT), new (another crystal than the one it came from, and none of `--seen`),
and both.
"""

from __future__ import annotations

import argparse
import pathlib
import time

import numpy as np

from benchmarks import compact_crystals
from crystal_jax.codec.codec import Codec
from crystal_jax.evaluation import validity
from crystal_jax.evaluation.samples import distinct
from crystal_jax.evaluation.samples.reference import load_reference
from crystal_jax.io.reading import compact

QUANTILES = 0.05, 0.10, 0.15
PROPERTY = 'formation_energy_per_atom'


def main() -> None:
  args = _arguments()
  _, crystals, _ = compact_crystals.read(args.data)
  energies = _read_energies(args)
  limits = np.nanquantile(energies, QUANTILES)
  order = np.random.default_rng(args.seed).permutation(len(crystals))
  codec = Codec.load(args.weights)
  encodable = np.isfinite(
    codec.encode([crystals[i] for i in order[: 2 * args.crystals]], skip=True)
  ).all(axis=1)
  order = order[: 2 * args.crystals][encodable][: args.crystals]
  start = [crystals[i] for i in order]
  known = [*load_reference(args.seen).train] if args.seen else []
  print(
    f'{len(start)} of {args.data.name}, {args.weights}, refine {args.refine}; '
    f'quantiles {", ".join(f"{x:.2f}" for x in limits)} eV/atom\n'
  )
  print('| steps | below 5 % | 10 % | 15 % | mean energy | valid | new | '
        'valid and new | below 10 %, valid and new | CPU s |')  # fmt: skip
  print('|---|---|---|---|---|---|---|---|---|---|')
  before = codec.predict(start)[PROPERTY]
  print(_row('0', before, limits, start, None, 0.0), flush=True)
  for steps in map(int, args.steps.split(',')):
    begun = time.process_time()
    found = codec.optimize(
      start,
      PROPERTY,
      steps=steps,
      exchanges=args.exchanges,
      refine=args.refine,
    )
    seconds = time.process_time() - begun
    after = np.array([each.after for each in found])
    ended = [each.crystal for each in found]
    new = _are_new(ended, start, known)
    print(_row(str(steps), after, limits, ended, new, seconds), flush=True)


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument(
    '--energies', type=pathlib.Path, help='npz with formation_val'
  )
  parser.add_argument('--seen', type=pathlib.Path, help='stem of a data set')
  parser.add_argument('--crystals', type=int, default=100)
  parser.add_argument('--steps', default='10')
  parser.add_argument('--exchanges', type=int, default=24)
  parser.add_argument('--refine', default='none')
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


def _read_energies(args) -> np.ndarray:
  """Formation energies of the crystals, eV/atom."""
  if args.energies is None:
    return compact.read_file(args.data)[PROPERTY]
  with np.load(args.energies) as file:
    return file['formation_val']


def _are_new(ended, start, known) -> np.ndarray:
  """Whether crystals match neither their own start nor a known crystal."""
  novel = distinct.find_distinct(ended, known, workers=0).novel
  moved = [
    distinct.find_distinct([a], [b], workers=0).novel[0]
    for a, b in zip(ended, start, strict=True)
  ]
  return novel & np.array(moved)


def _row(steps, energies, limits, crystals, new, seconds) -> str:
  valid = np.array(
    [
      validity.is_valid(
        np.asarray(c.numbers), np.asarray(c.positions), np.asarray(c.cell)
      )
      for c in crystals
    ]
  )
  below = [energies <= limit for limit in limits]
  shares = [f'{each.mean():.2f}' for each in below]
  shares += [f'{energies.mean():.2f}', f'{valid.mean():.2f}']
  if new is None:
    shares += ['-'] * 3
  else:
    both = valid & new
    shares += [f'{each.mean():.2f}' for each in (new, both, below[1] & both)]
  return f'| {" | ".join([steps, *shares, f"{seconds:.0f}"])} |'


if __name__ == '__main__':
  main()
