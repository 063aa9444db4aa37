"""Sets whose scores are known beforehand, scored as `cj.score` does.

  python -m benchmarks.known_scores --data=../shared/data --crystals=300 \
    --train=10000 --cache=scores_cache

Reconstructions: `--weights` encodes and decodes random crystals of
mp_20_part_val; `score` takes them for samples of these crystals. Match @1 and
METRe have to be those of `benchmarks.crystals`, whose pairs are one to one:
match @1 of the crystals whose formula no other one has, METRe of all.

Validity: all of mp_20_part_val; CDVAE prints 100 and 91 % of MP-20.

Coverage: mp_le20_val by the first random crystals of mp_le20_train. Recall can
only grow with further crystals, so that of the whole set is at least that.

Copies: ten of each of 20 training crystals, shifted, in another basis.
"""

from __future__ import annotations

import argparse
import collections
import pathlib

import numpy as np

import crystal_jax as cj
from benchmarks.compact_crystals import read
from benchmarks.crystals import metre, moved
from crystal_jax.codec.codec import open_codec
from crystal_jax.evaluation import matching, validity
from crystal_jax.evaluation.samples import coverage
from crystal_jax.evaluation.samples.reference import Reference, load_reference
from crystal_jax.structure.composition import unit_of

# Training crystals whose fingerprints are kept together.
_PART = 1000


def main() -> None:
  args = _arguments()
  rows = {
    'reconstructions': reconstructions,
    'validity': valid,
    'coverage': covered,
    'copies': copies,
  }
  for name in args.rows.split(','):
    rows[name](args)


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--crystals', type=int, default=300)
  parser.add_argument('--train', type=int, default=10_000)
  parser.add_argument('--cache', type=pathlib.Path)
  parser.add_argument('--workers', type=int, help='processes; 0: this one')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--rows', default='reconstructions,validity,coverage,copies'
  )
  return parser.parse_args()


def reconstructions(args) -> None:
  """`score` against `benchmarks.crystals`."""
  _, true, _ = read(args.data / 'mp_20_part_val.npz')
  order = np.random.default_rng(args.seed).permutation(len(true))
  true = [true[i] for i in order[: args.crystals]]
  codec = open_codec(args.weights)
  z = codec.encode(true, skip=True)
  decoded = codec.decode(z)
  found = [c or codec.failures[i] for i, c in enumerate(decoded)]
  published = matching.compare(
    true, found, workers=args.workers, progress=False
  )
  reference = Reference('itself', true, true)
  scores = cj.score(found, reference, coverage=False, workers=args.workers)
  share = metre(true, found, published)
  print(f'{len(true)} reconstructions of mp_20_part_val by {args.weights}')
  print(f'METRe: score {scores.metrics["metre"]:.4f}, benchmark {share:.4f}')
  counts = collections.Counter(unit_of(c.numbers) for c in true)
  alone = [i for i, c in enumerate(true) if counts[unit_of(c.numbers)] == 1]
  one = [true[i] for i in alone]
  again = cj.score(
    [found[i] for i in alone],
    Reference('itself', one, one),
    coverage=False,
    workers=args.workers,
  ).metrics
  matched = [published[i] for i in alone if published[i].match]
  # A reconstruction of another formula is no candidate of any crystal.
  match = again['match_1'] * again['compositions'] / len(alone)
  rmse = np.mean([c.rmse for c in matched])
  print(
    f'match @1 of {len(alone)} of a formula of their own: score {match:.4f}, '
    f'benchmark {len(matched) / len(alone):.4f}; RMSE {again["rmse_1"]:.5f}, '
    f'{rmse:.5f}',
    flush=True,
  )


def valid(args) -> None:
  """Validity of the data."""
  _, crystals, _ = read(args.data / 'mp_20_part_val.npz')
  structure = [
    validity.is_valid_structure(c.positions, c.cell) for c in crystals
  ]
  composition = [validity.is_valid_composition(c.numbers) for c in crystals]
  print(
    f'{len(crystals)} of mp_20_part_val: valid structure '
    f'{np.mean(structure):.2%}, composition {np.mean(composition):.2%}',
    flush=True,
  )


def covered(args) -> None:
  """Coverage of held-out crystals by training crystals."""
  reference = load_reference(args.data / 'mp_le20')
  order = np.random.default_rng(args.seed).permutation(len(reference.train))
  chosen = [reference.train[i] for i in order[: args.train]]
  options = {'workers': args.workers, 'cache': args.cache}
  known = coverage.fingerprints(reference.heldout, **options)
  found: list[coverage.Fingerprint | None] = []
  # In parts, so that what is in the cache is not computed again.
  for start in range(0, len(chosen), _PART):
    found += coverage.fingerprints(chosen[start : start + _PART], **options)
    shares = coverage.coverage(found, known)
    print(
      f'{len(found)} training crystals: recall '
      f'{shares["coverage_recall"]:.2%}, precision '
      f'{shares["coverage_precision"]:.2%}',
      flush=True,
    )


def copies(args) -> None:
  """Uniqueness and novelty of copies."""
  reference = load_reference(args.data / 'mp_le20')
  rng = np.random.default_rng(args.seed)
  chosen = rng.choice(len(reference.train), 20, replace=False)
  samples = [moved(reference.train[i], rng) for i in chosen for _ in range(10)]
  few = Reference('mp_le20', reference.train, reference.heldout[:1])
  metrics = cj.score(samples, few, coverage=False, workers=args.workers).metrics
  print(
    f'20 training crystals, ten copies each: unique {metrics["unique"]:.1%}, '
    f'novel {metrics["novel"]:.1%}',
    flush=True,
  )


if __name__ == '__main__':
  main()
