"""Share of correct decoded crystals, by their residual (`codec.residuals`).

  python -m benchmarks.certain --weights=mp_20 \
      --data=../shared/data/mp_le20_val.npz --crystals=400

Held-out crystals are encoded; the mean of the posterior and one sample of it
are decoded. A decoded crystal is correct if it matches the encoded one
(`StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)`). The first table has the
share of correct crystals by residual. The second table has this share of the
crystals that `codec.certain` marks, by the longest vector of their reduced
lattice: a box does not show a period that is longer than the box. The last
lines count certain and correct crystals.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from benchmarks import compact_crystals
from benchmarks.crystals_report import table
from crystal_jax.codec.codec import open_codec
from crystal_jax.evaluation import matching
from crystal_jax.structure import lattice

# Bounds of the rows of the first table: residuals of latents, in squared
# standard deviations of the posterior.
_RESIDUALS = (0.0, 0.01, 0.1, 0.3, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0, np.inf)
# Bounds of the rows of the second table: longest vectors, Å.
_LENGTHS = (0.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 15.0, np.inf)


def main():
  args = _arguments()
  codec = open_codec(args.weights)
  true, _ = compact_crystals.read_random(args.data, args.crystals, args.seed)
  mean, std = codec.encode(true, skip=True, std=True)
  encoded = np.flatnonzero(np.isfinite(mean).all(axis=1))
  true = [true[i] for i in encoded]
  mean, std = mean[encoded], std[encoded]
  noise = np.random.default_rng(args.seed + 1).standard_normal(mean.shape)
  latents = {'mean': mean, 'sample': mean + std * noise.astype(np.float32)}
  latents = {name: latents[name] for name in args.latents.split(',')}
  residuals, correct, certain, longest = {}, {}, {}, {}
  for name, z in latents.items():
    decoded = codec.decode(z, refine=args.refine)
    residuals[name], certain[name] = codec.residuals, codec.certain
    found = [crystal or codec.failures[i] for i, crystal in enumerate(decoded)]
    longest[name] = np.array([_longest_vector(crystal) for crystal in decoded])
    scores = matching.compare(true, found, progress=False)
    correct[name] = np.array([bool(score.match) for score in scores])
  print(f'{args.weights}, refine={args.refine!r}: {len(true)} crystals of')
  print(f'{args.data.name}\n')
  print(_by_residual(residuals, correct), '\n')
  print(_by_length(longest, certain, correct), '\n')
  for name, is_certain in certain.items():
    is_correct = correct[name]
    print(
      f'{name}: {is_certain.sum()} certain, '
      f'{(is_certain & is_correct).sum()} of them right; '
      f'{(~is_correct).sum()} wrong, '
      f'{(~is_correct & ~is_certain).sum()} of them marked uncertain'
    )


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', required=True)
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=400)
  parser.add_argument('--refine', default='auto')
  parser.add_argument('--latents', default='mean,sample')
  parser.add_argument('--seed', type=int, default=7)
  return parser.parse_args()


def _longest_vector(crystal) -> float:
  """Longest vector of the reduced lattice, Å; NaN without a crystal."""
  if crystal is None:
    return np.nan
  reduced, _ = lattice.minkowski_reduce(crystal.cell)
  return float(np.linalg.norm(reduced, axis=1).max())


def _by_length(longest, certain, correct) -> str:
  """Table of certain crystals and the correct share, by longest vector.

  Args:
    longest: Longest vectors, Å, by kind of latent.
    certain: Whether each crystal is certain, by kind of latent.
    correct: Whether each crystal is correct, by kind of latent.
  """
  rows = []
  for low, high in zip(_LENGTHS[:-1], _LENGTHS[1:], strict=True):
    row = [f'{low:g} to {high:g}' if np.isfinite(high) else f'above {low:g}']
    for name, lengths in longest.items():
      in_row = (lengths >= low) & (lengths < high)
      is_certain = in_row & certain[name]
      share = '-'
      if is_certain.any():
        share = f'{correct[name][is_certain].mean():.1%}'
      row += [f'{in_row.sum()}', f'{is_certain.sum()}', share]
    rows.append(row)
  head = ['longest vector, Å']
  for name in longest:
    head += [f'of a {name}', 'certain', 'right']
  return table(head, rows)


def _by_residual(residuals, correct) -> str:
  """Table of crystals and the correct share, by residual.

  Args:
    residuals: Residuals, NaN without a crystal, by kind of latent.
    correct: Whether each crystal is correct, by kind of latent.
  """
  rows = []
  for low, high in zip(_RESIDUALS[:-1], _RESIDUALS[1:], strict=True):
    row = [f'{low:g} to {high:g}' if np.isfinite(high) else f'above {low:g}']
    for name, values in residuals.items():
      in_row = (values >= low) & (values < high)
      share = f'{correct[name][in_row].mean():.1%}' if in_row.any() else '-'
      row += [f'{in_row.sum()}', share]
    rows.append(row)
  missing = ['nothing decoded']
  head = ['residual']
  for name, values in residuals.items():
    missing += [f'{np.isnan(values).sum()}', '-']
    head += [f'of a {name}', 'right']
  return table(head, [*rows, missing])


if __name__ == '__main__':
  main()
