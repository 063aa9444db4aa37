"""Checks of `cj.score` on sets of crystals with known scores.

  python -m benchmarks.known_scores --data=../shared/data --crystals=300 \
    --train=10000 --cache=scores_cache

Reconstructions: `--weights` encodes and decodes random crystals of
mp_20_part_val. `score` is given the decoded crystals as samples and the encoded
ones as reference. METRe must equal that of `benchmarks.crystals`. Match @1 must
be equal for crystals whose formula is unique: `score` pairs samples and
reference by formula, `benchmarks.crystals` one to one.

Validity: of all crystals of mp_20_part_val. CDVAE reports 100 % (structure) and
91 % (composition) of MP-20.

Coverage: of mp_le20_val by random crystals of mp_le20_train. Recall can only
grow with more training crystals: that of all is at least as high.

Copies: ten of each of 20 training crystals, with random origins and bases. 10 %
are unique and none is novel.
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

# Training crystals whose fingerprints are cached in one file.
_CACHED_TOGETHER = 1000
# Training crystals that are copied, and copies of each.
_COPIED, _COPIES = 20, 10


def main() -> None:
  args = _arguments()
  rows = {
    'reconstructions': reconstructions,
    'validity': validity_of_data,
    'coverage': coverage_by_training_crystals,
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
  """Prints METRe and match @1 by `score` and by `benchmarks.crystals`."""
  _, true, _ = read(args.data / 'mp_20_part_val.npz')
  order = np.random.default_rng(args.seed).permutation(len(true))
  true = [true[i] for i in order[: args.crystals]]
  codec = open_codec(args.weights)
  decoded = codec.decode(codec.encode(true, skip=True))
  decoded = [c or codec.failures[i] for i, c in enumerate(decoded)]
  comparisons = matching.compare(
    true, decoded, workers=args.workers, progress=False
  )
  metrics = _score_reconstructions(decoded, true, args.workers)
  share = metre(true, decoded, comparisons)
  print(f'{len(true)} reconstructions of mp_20_part_val by {args.weights}')
  print(f'METRe: score {metrics["metre"]:.4f}, benchmark {share:.4f}')
  formulas = [unit_of(crystal.numbers) for crystal in true]
  counts = collections.Counter(formulas)
  unique = [i for i, formula in enumerate(formulas) if counts[formula] == 1]
  metrics = _score_reconstructions(
    [decoded[i] for i in unique], [true[i] for i in unique], args.workers
  )
  # `match_1` is a share of the crystals whose formula has samples.
  match = metrics['match_1'] * metrics['compositions'] / len(unique)
  matched = [comparisons[i] for i in unique if comparisons[i].match]
  rmse = np.mean([comparison.rmse for comparison in matched])
  print(
    f'match @1 of {len(unique)} of a formula of their own: score {match:.4f}, '
    f'benchmark {len(matched) / len(unique):.4f}; RMSE '
    f'{metrics["rmse_1"]:.5f}, {rmse:.5f}',
    flush=True,
  )


def _score_reconstructions(decoded, true, workers):
  """Metrics by `score` of decoded crystals, with the true ones as reference."""
  reference = Reference('itself', true, true)
  return cj.score(decoded, reference, coverage=False, workers=workers).metrics


def validity_of_data(args) -> None:
  """Prints the share of valid crystals."""
  _, crystals, _ = read(args.data / 'mp_20_part_val.npz')
  valid_structures = [
    validity.is_valid_structure(c.positions, c.cell) for c in crystals
  ]
  valid_compositions = [
    validity.is_valid_composition(c.numbers) for c in crystals
  ]
  print(
    f'{len(crystals)} of mp_20_part_val: valid structure '
    f'{np.mean(valid_structures):.2%}, composition '
    f'{np.mean(valid_compositions):.2%}',
    flush=True,
  )


def coverage_by_training_crystals(args) -> None:
  """Prints the coverage of held-out crystals by more and more training ones."""
  reference = load_reference(args.data / 'mp_le20')
  order = np.random.default_rng(args.seed).permutation(len(reference.train))
  chosen = [reference.train[i] for i in order[: args.train]]
  options = {'workers': args.workers, 'cache': args.cache}
  heldout = coverage.fingerprints(reference.heldout, **options)
  train: list[coverage.Fingerprint | None] = []
  # One cached file each, so that an interrupted run resumes.
  for start in range(0, len(chosen), _CACHED_TOGETHER):
    crystals = chosen[start : start + _CACHED_TOGETHER]
    train += coverage.fingerprints(crystals, **options)
    shares = coverage.coverage(train, heldout)
    print(
      f'{len(train)} training crystals: recall '
      f'{shares["coverage_recall"]:.2%}, precision '
      f'{shares["coverage_precision"]:.2%}',
      flush=True,
    )


def copies(args) -> None:
  """Prints the uniqueness and novelty of moved copies of training crystals."""
  reference = load_reference(args.data / 'mp_le20')
  rng = np.random.default_rng(args.seed)
  chosen = rng.choice(len(reference.train), _COPIED, replace=False)
  samples = [
    moved(reference.train[i], rng) for i in chosen for _ in range(_COPIES)
  ]
  # Held-out crystals are scored too; they are not needed here.
  reference = Reference('mp_le20', reference.train, reference.heldout[:1])
  metrics = cj.score(
    samples, reference, coverage=False, workers=args.workers
  ).metrics
  print(
    f'{_COPIED} training crystals, {_COPIES} copies each: '
    f'unique {metrics["unique"]:.1%}, novel {metrics["novel"]:.1%}',
    flush=True,
  )


if __name__ == '__main__':
  main()
