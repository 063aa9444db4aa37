"""Draws of known compositions against the true crystals; see `draw`."""

from __future__ import annotations

import collections
import time

import numpy as np

from benchmarks.compact_crystals import read_random
from crystal_jax.cli import draws
from crystal_jax.evaluation import match_summary, matching
from crystal_jax.generation import checks, conditions, latent_sampling
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import MAX_NUMBER
from crystal_jax.structure.primitive import primitive_numbers


def by_composition(codec, prior, args) -> None:
  """Draws of known compositions against the true crystals."""
  true, _ = read_random(args.data, args.compositions, args.seed)
  cells = [primitive_numbers(crystal) for crystal in true]
  given = conditions.from_counts(
    np.stack([np.bincount(n - 1, minlength=MAX_NUMBER) for n in cells]),
    len(prior.networks.properties),
  )
  begun, rounds = time.process_time(), []
  for attempt in range(args.tries):
    z = latent_sampling.sample_latents(
      prior.networks,
      prior.params,
      given,
      seed=args.seed,
      index=np.arange(len(cells)) + attempt * len(cells),
      guidance=args.guidance,
      steps=args.steps,
      temperature=args.temperature,
    )
    found = codec.decode(
      z,
      composition=[dict(unit_of(numbers)) for numbers in cells],
      num_atoms=[len(numbers) for numbers in cells],
      refine=args.refine,
    )
    found = draws.symmetrize(args, found)
    rounds.append([c or codec.failures.get(i, '') for i, c in enumerate(found)])
  seconds = time.process_time() - begun
  scored = [
    matching.compare(
      true, found, gate=True, workers=args.workers, progress=False
    )
    for found in rounds
  ]
  first = match_summary.summarize(scored[0])
  valid = [_is_valid(c) for c in rounds[0]]
  symmetric = [_is_symmetric(c) for c in rounds[0]]
  best = np.any([[c.match for c in row] for row in scored], axis=0)
  print(
    f'{len(true)} compositions of {args.data.name}, guidance '
    f'{args.guidance:g}, {args.steps} steps, temperature '
    f'{args.temperature:g}, refine {args.refine}, symmetrized within '
    f'{args.symmetrize:g} Å'
  )
  print(
    f'match @1 {first["match"]:.1%} ({first["match_low"]:.1%} to '
    f'{first["match_high"]:.1%}), RMSE {first["rmse"]:.4f}, '
    f'gated {first.get("match_gated", np.nan):.1%} '
    f'(true valid {first.get("valid_true", np.nan):.1%})'
  )
  if args.tries > 1:
    print(f'match @{args.tries} {best.mean():.1%}')
  print(
    f'formula {first["formula_exact"]:.1%}, structure {np.mean(valid):.1%}, '
    f'space group above P-1 {np.mean(symmetric):.1%}, '
    f'{1000 * seconds / args.tries / len(true):.0f} s for 1,000 draws'
  )
  for reason in [c for c in rounds[0] if isinstance(c, str)][:5]:
    print(f'  no crystal: {reason}')
  missed = {k: v for k, v in first.items() if k.startswith('missed') and v}
  print(', '.join(f'{k} {v:.1%}' for k, v in missed.items()), flush=True)
  sizes = collections.defaultdict(list)
  for crystal, comparison in zip(true, scored[0], strict=True):
    sizes[min(3, (len(crystal.numbers) - 1) // 5)].append(comparison.match)
  print(
    'match @1 by atoms: '
    + ', '.join(
      f'{5 * k + 1}-{5 * k + 5}: {np.mean(v):.0%} of {len(v)}'
      for k, v in sorted(sizes.items())
    ),
    flush=True,
  )


def _is_valid(found: Crystal | str) -> bool:
  """Whether it is a crystal of a valid structure, not a reason."""
  return isinstance(found, Crystal) and checks.why_invalid(found) is None


def _is_symmetric(found: Crystal | str) -> bool:
  """Whether it is a crystal with a space group above P-1, within 0.1 Å."""
  return isinstance(found, Crystal) and checks.space_group(found)[0] > 2
