"""Crystals sampled from a codec's prior, scored as in publications.

  python -m benchmarks.draw --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --compositions=1000 --free=1000

By composition: one draw for the composition and number of atoms of each of
some crystals of `--data`, of formulas that training never had; `--tries` draws
of each for @k. Match: pymatgen's `StructureMatcher(stol=0.5, angle_tol=10,
ltol=0.3)`, RMSE over matches, every crystal in the denominator. `gated` counts
a match only if the drawn crystal passes the rule of validity (distances,
volume, SMACT), as CDVAE does; the true crystals pass it in `true valid`.

Free: draws without any condition. Structure: no distance below 0.5 Å, volume
above 0.1 Å³. Composition: charges can balance (SMACT). Wasserstein distances of
density (g/cm³) and number of elements to `--reference`. Unique: no other draw
of the same formula matches it; novel: no crystal of `--seen` does. All are
shares of the draws that were asked for; unique and novel of the valid ones too.

Element sets: one draw for the elements of each of some crystals of `--data`
with three elements; met if a valid crystal of exactly these elements comes.
Seconds are CPU time, compilation included.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import time

import numpy as np
import scipy.stats

from benchmarks.compact_crystals import read
from crystal_jax.codec.codec import Codec
from crystal_jax.evaluation import (
  match_summary,
  matching,
  pair_matching,
  validity,
)
from crystal_jax.generation import latent_sampling, sampling
from crystal_jax.generation.request import Criteria, resolve
from crystal_jax.structure.composition import formula, mass_density, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import symbol

# Crystals that are drawn together, so that memory stays small.
_CHUNK = 256


def main() -> None:
  args = _arguments()
  codec = Codec.load(args.weights)
  if args.prior:
    codec.load_prior(args.prior)
  prior = codec._opened_prior()
  if args.compositions:
    by_composition(codec, prior, args)
  if args.free:
    free(codec, prior, args)
  if args.element_sets:
    element_sets(codec, prior, args)
  if args.by_formula:
    compositions_alone(prior, args)


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
    '--temperature', type=float, default=latent_sampling.TEMPERATURE
  )
  parser.add_argument('--refine', default='none')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--workers', type=int, default=0)
  parser.add_argument('--show', type=int, default=0, help='print so many draws')
  return parser.parse_args()


def by_composition(codec, prior, args) -> None:
  """Draws of known compositions against the true crystals."""
  _, true, _ = read(args.data)
  order = np.random.default_rng(args.seed).permutation(len(true))
  true = [true[i] for i in order[: args.compositions]]
  wanted = [unit_of(_primitive(crystal)) for crystal in true]
  atoms = [len(_primitive(crystal)) for crystal in true]
  begun, rounds = time.process_time(), []
  for attempt in range(args.tries):
    z = _latents(prior, wanted, atoms, args, attempt)
    found = codec.decode(
      z,
      composition=[dict(unit) for unit in wanted],
      num_atoms=atoms,
      refine=args.refine,
    )
    rounds.append([c or codec.failures.get(i, '') for i, c in enumerate(found)])
  seconds = time.process_time() - begun
  scored = [
    matching.compare(
      true, found, gate=True, workers=args.workers, progress=False
    )
    for found in rounds
  ]
  first = match_summary.summarize(scored[0])
  valid = [isinstance(c, Crystal) and _structure(c) for c in rounds[0]]
  best = np.any([[c.match for c in row] for row in scored], axis=0)
  print(
    f'{len(true)} compositions of {args.data.name}, guidance '
    f'{args.guidance:g}, {args.steps} steps, temperature '
    f'{args.temperature:g}, refine {args.refine}'
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


def free(codec, prior, args) -> None:
  """Draws without conditions."""
  begun = time.process_time()
  draws = sampling.sample(
    codec, prior, args.free, Criteria(), seed=args.seed,
    guidance=args.guidance, steps=args.steps, refine=args.refine,
  )  # fmt: skip
  crystals, seconds = draws.crystals, time.process_time() - begun
  _, reference, _ = read(pathlib.Path(args.reference))
  _, seen, _ = read(pathlib.Path(args.seen))
  there = [c for c in crystals if c is not None]
  structure = [_structure(c) for c in there]
  balanced = [_is_charge_balanced(c) for c in there]
  valid = [
    c for c, s, b in zip(there, structure, balanced, strict=True) if s and b
  ]
  print(f'{args.free} free draws, guidance {args.guidance:g}')
  print(
    f'structure {sum(structure) / args.free:.1%}, composition '
    f'{sum(balanced) / args.free:.1%}, both {len(valid) / args.free:.1%}; '
    f'{1000 * seconds / args.free:.0f} s for 1,000'
  )
  chosen = np.random.default_rng(0).permutation(len(reference))[:2000]
  reference = [reference[i] for i in chosen]
  share = np.mean([_is_charge_balanced(c) for c in reference])
  for name, measure in ('density', _density), ('elements', _elements):
    distance = scipy.stats.wasserstein_distance(
      [measure(c) for c in valid], [measure(c) for c in reference]
    )
    print(f'Wasserstein of {name} {distance:.3f}', end=', ')
  print(f'composition of the data {share:.1%}')
  counts = [np.bincount([_elements(c) for c in each], minlength=8)
            / len(each) for each in (valid, reference)]  # fmt: skip
  for name, each in zip(('draws', 'data'), counts, strict=True):
    print(f'{name}, by elements:', ' '.join(f'{x:.0%}' for x in each[1:8]))
  unique, novel, both = _unique_and_novel(valid, seen)
  known = {unit_of(c.numbers) for c in seen}
  formulas = np.mean([unit_of(c.numbers) not in known for c in valid])
  print(
    f'of the valid: unique {unique:.1%}, novel {novel:.1%}, both {both:.1%}; '
    f'formulas not in training {formulas:.1%}',
    flush=True,
  )
  for crystal in there[: args.show]:
    _show(crystal)


def element_sets(codec, prior, args) -> None:
  """Draws of the element sets of crystals with three elements."""
  _, crystals, _ = read(args.data)
  sets = sorted(
    {
      tuple(sorted(set(c.numbers.tolist())))
      for c in crystals
      if _elements(c) == 3
    }
  )
  order = np.random.default_rng(args.seed).permutation(len(sets))
  sets = [sets[i] for i in order[: args.element_sets]]
  counts = []
  for index, numbers in enumerate(sets):
    criteria = Criteria(elements={symbol(z) for z in numbers})
    counts.append(_sampled_counts(prior, criteria, args.seed, index))
  wanted = [
    tuple((int(z) + 1, int(row[z])) for z in np.flatnonzero(row))
    for row in counts
  ]
  atoms = [int(row.sum()) for row in counts]
  found = codec.decode(
    _latents(prior, wanted, atoms, args, 0),
    composition=[dict(unit) for unit in wanted],
    num_atoms=atoms,
    refine=args.refine,
  )
  met = [
    crystal is not None
    and _structure(crystal)
    and tuple(sorted(set(crystal.numbers.tolist()))) == numbers
    for crystal, numbers in zip(found, sets, strict=True)
  ]
  print(
    f'{len(met)} sets of three elements: met {np.mean(met):.1%}', flush=True
  )


def _sampled_counts(prior, criteria, seed, index):
  """Atoms of each element of one drawn composition."""
  from crystal_jax.generation import compositions

  known = compositions.known_numbers(None)
  request = resolve(prior.networks, prior.params, known, criteria)
  sampler = compositions.Compositions(
    prior.networks, prior.params, sampling.ATOMS_TEMPERATURE
  )
  generators = [np.random.default_rng([seed, index, 1])]
  return sampler.draw(generators, request.given, request.choice)[0]


def compositions_alone(prior, args) -> None:
  """Compositions of the model without any structure."""
  from crystal_jax.generation import compositions

  known = compositions.known_numbers(None)
  request = resolve(prior.networks, prior.params, known, Criteria())
  generators = [
    np.random.default_rng([args.seed, i, 1]) for i in range(args.by_formula)
  ]
  sampler = compositions.Compositions(
    prior.networks, prior.params, sampling.ATOMS_TEMPERATURE
  )
  begun = time.process_time()
  counts = sampler.draw(generators, request.given, request.choice)
  seconds = time.process_time() - begun
  _, reference, _ = read(pathlib.Path(args.reference))
  _, seen, _ = read(pathlib.Path(args.seen))
  cells = [np.repeat(np.arange(1, 95), row) for row in counts]
  units = [unit_of(numbers) for numbers in cells]
  known = {unit_of(c.numbers) for c in seen}
  balanced = np.mean([_balanced_unit(unit) for unit in units])
  data = [unit_of(c.numbers) for c in reference[:2000]]
  distance = scipy.stats.wasserstein_distance(
    [len(u) for u in units], [len(u) for u in data]
  )
  atoms = scipy.stats.wasserstein_distance(
    [len(n) for n in cells], [len(c.numbers) for c in reference]
  )
  print(
    f'{len(units)} compositions: SMACT {balanced:.1%} (data '
    f'{np.mean([_balanced_unit(u) for u in data]):.1%}), unique '
    f'{len(set(units)) / len(units):.1%}, not in training '
    f'{np.mean([u not in known for u in units]):.1%}, Wasserstein of elements '
    f'{distance:.3f}, of atoms {atoms:.2f}; {seconds:.0f} s'
  )
  print(', '.join(formula(unit) for unit in units[:40]), flush=True)


def _latents(prior, wanted, atoms, args, attempt):
  """Latents of compositions, one draw each."""
  from crystal_jax.generation import conditions, integration

  counts = np.zeros((len(wanted), 94), np.float32)
  for row, (unit, number) in enumerate(zip(wanted, atoms, strict=True)):
    units = number // sum(count for _, count in unit)
    for z, count in unit:
      counts[row, z - 1] = units * count
  given = conditions.from_counts(counts, len(prior.networks.properties))
  index = np.arange(len(wanted)) + attempt * len(wanted)
  start = integration.noise(args.seed, index, prior.networks.latent_size)
  start = start * args.temperature
  return integration.integrate(
    prior.networks, prior.params, start, given, guidance=args.guidance,
    steps=args.steps,
  )  # fmt: skip


def _primitive(crystal):
  """Atomic numbers of the primitive cell."""
  from crystal_jax.structure.primitive import primitive_cell

  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  return primitive_cell(crystal.numbers, fractional, crystal.cell)[0]


def _structure(crystal) -> bool:
  from crystal_jax.generation import checks

  return checks.why_invalid(crystal) is None


def _is_charge_balanced(crystal) -> bool:
  return _balanced_unit(unit_of(crystal.numbers))


def _balanced_unit(unit) -> bool:
  return validity.is_charge_balanced(
    [symbol(z) for z, _ in unit], [count for _, count in unit]
  )


def _density(crystal) -> float:
  return mass_density(crystal.numbers, abs(float(np.linalg.det(crystal.cell))))


def _elements(crystal) -> int:
  return len(set(crystal.numbers.tolist()))


def _unique_and_novel(valid, seen) -> tuple[float, float, float]:
  """Shares of the draws that no other draw matches, and no seen crystal."""
  by_formula = collections.defaultdict(list)
  for crystal in seen:
    by_formula[unit_of(crystal.numbers)].append(crystal)
  unique, novel, before = [], [], collections.defaultdict(list)
  for crystal in valid:
    key = unit_of(crystal.numbers)
    unique.append(not _any_match(crystal, before[key]))
    novel.append(not _any_match(crystal, by_formula[key]))
    before[key].append(crystal)
  both = np.logical_and(unique, novel)
  return tuple(float(np.mean(x)) for x in (unique, novel, both))


def _any_match(crystal, candidates) -> bool:
  pairs = ((other, crystal) for other in candidates)
  return any(pair_matching.compare_pair(pair).match for pair in pairs)


def _show(crystal) -> None:
  from crystal_jax.generation import checks

  group = checks.space_group(crystal, 0.2)
  lengths = np.linalg.norm(crystal.cell, axis=1)
  print(
    f'  {formula(unit_of(crystal.numbers)):18} N={len(crystal.numbers):2} '
    f'{group[1]:10} closest {checks.closest(crystal):.2f} Å, '
    f'{_density(crystal):.2f} g/cm³, lengths {np.round(lengths, 2)}'
  )


if __name__ == '__main__':
  main()
