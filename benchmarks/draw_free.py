"""Draws whose compositions the prior samples: free, of elements; see `draw`."""

from __future__ import annotations

import pathlib
import time

import jax
import numpy as np
import scipy.stats

from benchmarks.compact_crystals import read
from crystal_jax.evaluation import validity
from crystal_jax.evaluation.samples import distinct, distributions
from crystal_jax.generation import checks, latent_sampling, sampling
from crystal_jax.generation.request import Criteria
from crystal_jax.structure.composition import formula, mass_density, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import symbol

# Crystals of the reference that distributions are compared with.
_REFERENCE = 2000


def free(codec, prior, args) -> None:
  """Draws without conditions."""
  begun = time.process_time()
  draws = sampling.sample(
    codec, prior, args.free, Criteria(), seed=args.seed,
    guidance=args.guidance, steps=args.steps, refine=args.refine,
  )  # fmt: skip
  seconds = time.process_time() - begun
  _, reference, _ = read(pathlib.Path(args.reference))
  _, seen, _ = read(pathlib.Path(args.seen))
  # `sample` gives no crystal that is not valid by distances and volume.
  structure = [c for c in draws.crystals if c is not None]
  valid = [c for c in structure if validity.is_valid_composition(c.numbers)]
  print(f'{args.free} free draws, guidance {args.guidance:g}')
  print(
    f'structure {len(structure) / args.free:.1%}, composition '
    f'{len(valid) / args.free:.1%}, both {len(valid) / args.free:.1%}; '
    f'{1000 * seconds / args.free:.0f} s for 1,000'
  )
  chosen = np.random.default_rng(0).permutation(len(reference))[:_REFERENCE]
  reference = [reference[i] for i in chosen]
  distances = distributions.wasserstein(valid, reference)
  balanced = [validity.is_valid_composition(c.numbers) for c in reference]
  print(
    f'Wasserstein of density {distances["wasserstein_density"]:.3f}, '
    f'Wasserstein of elements {distances["wasserstein_elements"]:.3f}, '
    f'composition of the data {np.mean(balanced):.1%}'
  )
  for name, crystals in ('draws', valid), ('data', reference):
    elements = [len(unit_of(c.numbers)) for c in crystals]
    shares = np.bincount(elements, minlength=8) / len(crystals)
    print(f'{name}, by elements:', ' '.join(f'{x:.0%}' for x in shares[1:8]))
  unique, novel, _ = distinct.find_distinct(valid, seen, workers=args.workers)
  known = {unit_of(c.numbers) for c in seen}
  formulas = np.mean([unit_of(c.numbers) not in known for c in valid])
  print(
    f'of the valid: unique {unique.mean():.1%}, novel {novel.mean():.1%}, '
    f'both {(unique & novel).mean():.1%}; formulas not in training '
    f'{formulas:.1%}',
    flush=True,
  )
  for crystal in structure[: args.show]:
    _show(crystal)


def element_sets(codec, prior, args) -> None:
  """Draws of the element sets of crystals with three elements."""
  _, crystals, _ = read(args.data)
  sets = sorted({tuple(np.unique(c.numbers).tolist()) for c in crystals})
  sets = [numbers for numbers in sets if len(numbers) == 3]
  order = np.random.default_rng(args.seed).permutation(len(sets))
  sets = [sets[i] for i in order[: args.element_sets]]
  given, contents = [], []
  for index, numbers in enumerate(sets):
    criteria = Criteria(elements={symbol(z) for z in numbers})
    request = sampling.make_request(codec, prior, criteria)
    conditions, sampled = sampling.draw_compositions(
      prior, request, args.seed, np.array([index])
    )
    given.append(conditions)
    contents += sampled
  z = latent_sampling.sample_latents(
    prior.networks,
    prior.params,
    jax.tree.map(lambda *rows: np.concatenate(rows), *given),
    seed=args.seed,
    index=np.arange(len(sets)),
    guidance=args.guidance,
    steps=args.steps,
    temperature=args.temperature,
  )
  # The request tells symmetry alone, which no set asks for.
  draws = sampling.decode_draws(codec, z, contents, request, args.refine)
  met = [
    crystal is not None and tuple(np.unique(crystal.numbers)) == numbers
    for crystal, numbers in zip(draws.crystals, sets, strict=True)
  ]
  print(
    f'{len(met)} sets of three elements: met {np.mean(met):.1%}', flush=True
  )


def compositions_alone(codec, prior, args) -> None:
  """Compositions of the prior, without any structure."""
  request = sampling.make_request(codec, prior, Criteria())
  begun = time.process_time()
  _, contents = sampling.draw_compositions(
    prior, request, args.seed, np.arange(args.by_formula)
  )
  seconds = time.process_time() - begun
  _, reference, _ = read(pathlib.Path(args.reference))
  _, seen, _ = read(pathlib.Path(args.seen))
  units = [each.unit for each in contents]
  known = {unit_of(c.numbers) for c in seen}
  balanced = np.mean([_is_balanced(unit) for unit in units])
  data = [unit_of(c.numbers) for c in reference[:_REFERENCE]]
  elements = scipy.stats.wasserstein_distance(
    [len(u) for u in units], [len(u) for u in data]
  )
  atoms = scipy.stats.wasserstein_distance(
    [each.units * each.unit_size for each in contents],
    [len(c.numbers) for c in reference],
  )
  print(
    f'{len(units)} compositions: SMACT {balanced:.1%} (data '
    f'{np.mean([_is_balanced(u) for u in data]):.1%}), unique '
    f'{len(set(units)) / len(units):.1%}, not in training '
    f'{np.mean([u not in known for u in units]):.1%}, Wasserstein of elements '
    f'{elements:.3f}, of atoms {atoms:.2f}; {seconds:.0f} s'
  )
  print(', '.join(formula(unit) for unit in units[:40]), flush=True)


def _is_balanced(unit) -> bool:
  symbols = [symbol(z) for z, _ in unit]
  return validity.is_charge_balanced(symbols, [count for _, count in unit])


def _show(crystal: Crystal) -> None:
  """Prints formula, symmetry, shortest distance, density and lengths."""
  _, group = checks.space_group(crystal, 0.2)
  volume = abs(float(np.linalg.det(crystal.cell)))
  print(
    f'  {formula(unit_of(crystal.numbers)):18} N={len(crystal.numbers):2} '
    f'{group:10} closest {checks.closest(crystal):.2f} Å, '
    f'{mass_density(crystal.numbers, volume):.2f} g/cm³, lengths '
    f'{np.round(np.linalg.norm(crystal.cell, axis=1), 2)}'
  )
