"""Crystals sampled from a codec's prior.

Each draw has three steps: a composition (given, or sampled), a latent under it
and the other conditions, and the crystal of the latent, decoded with the known
composition. Random numbers depend on the seed and the index of the draw alone:
the first five of ten draws are those of a draw of five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.generation import checks, compositions
from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.composition_model import CompositionModel
from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.latent_sampling import (
  GUIDANCE,
  STEPS,
  TEMPERATURE,
  sample_latents,
)
from crystal_jax.generation.loading import Prior
from crystal_jax.generation.request import (
  Criteria,
  Request,
  known_numbers,
  resolve,
)
from crystal_jax.generation.samples import Draws, collect
from crystal_jax.structure import composition

# Temperature of an element's number of atoms; see `CompositionModel`. Chosen on
# 600 compositions, against those of mp_le20_val: 87 % pass SMACT (85 % at 1),
# and 74 % of these are not in the training set (76 %).
ATOMS_TEMPERATURE = 0.8
# Bits of a seed that tell compositions from latents.
_COMPOSITION = 1


def sample(
  codec: Any,
  prior: Prior,
  n: int,
  criteria: Criteria,
  *,
  seed: int = 0,
  guidance: float | None = None,
  temperature: float | None = None,
  exact: bool = False,
  steps: int = STEPS,
  refine: str = 'none',
) -> Draws:
  """Draws crystals; see `Codec.sample`.

  Args:
    codec: Decodes.
    prior: Prior of the codec.
    n: Number of crystals.
    criteria: Criteria of each crystal.
    seed: Seed of all random numbers.
    guidance: Strength of the conditions; None: `GUIDANCE`.
    temperature: Scale of the noise of latents; None: `TEMPERATURE`.
    exact: Draw again what is not valid or not as asked, up to `BUDGET` draws
      for each crystal.
    steps: Steps of the integration.
    refine: See `Codec.decode`.

  Raises:
    ValueError: If a condition is unknown, or two contradict each other.
  """
  if n < 1:
    raise ValueError(f'Need {n=} to be at least 1.')
  request = make_request(codec, prior, criteria)
  guidance = at_least_zero('guidance', guidance, GUIDANCE)
  temperature = at_least_zero('temperature', temperature, TEMPERATURE)

  def draw_batch(index):
    given, contents = draw_compositions(prior, request, seed, index)
    z = sample_latents(
      prior.networks,
      prior.params,
      given,
      seed=seed,
      index=index,
      guidance=guidance,
      steps=steps,
      temperature=temperature,
    )
    return decode_draws(codec, z, contents, request, refine)

  return collect(draw_batch, n, exact)


def make_request(codec: Any, prior: Prior, criteria: Criteria) -> Request:
  """The request of criteria that both codec and prior can meet."""
  known = known_numbers(codec.describe().get('elements'))
  return resolve(prior.networks, prior.params, known, criteria)


def at_least_zero(name: str, value: float | None, default: float) -> float:
  """The value of an argument, or its default for None.

  Raises:
    ValueError: If the value is negative or not finite.
  """
  value = default if value is None else float(value)
  if not value >= 0 or not np.isfinite(value):
    raise ValueError(f'Need {name}={value} to be 0 or more.')
  return value


def draw_compositions(
  prior: Prior, request: Request, seed: int, index: Int[np.ndarray, 'B']
) -> tuple[Conditions, list[composition.Contents]]:
  """Conditions of each draw, and the contents of its primitive cell."""
  generators = [
    np.random.default_rng([seed, int(i), _COMPOSITION]) for i in index
  ]
  model = CompositionModel(prior.networks, prior.params, ATOMS_TEMPERATURE)
  counts = compositions.draw(model, generators, request.given, request.choice)
  given = conditions_lib.take(request.given, np.zeros(len(index), int))
  given = given._replace(counts=counts.astype(np.float32))
  contents = [
    composition.contents(
      {int(i) + 1: int(row[i]) for i in np.flatnonzero(row)},
      num_atoms=int(row.sum()),
    )
    for row in counts
  ]
  return given, contents


def decode_draws(
  codec: Any,
  z: Float[np.ndarray, 'B D'],
  contents: Sequence[composition.Contents],
  request: Request,
  refine: str,
) -> Draws:
  """Crystals of latents, decoded with known contents and checked.

  Args:
    codec: Decodes.
    z: Latents.
    contents: Formula and number of formula units of each primitive cell.
    request: Criteria of all draws.
    refine: See `Codec.decode`.
  """
  counts = [each.counts for each in contents]
  crystals = codec.decode(
    z,
    composition=counts,
    num_atoms=[sum(each.values()) for each in counts],
    refine=refine,
  )
  failures, residuals = dict(codec.failures), codec.residuals
  unmet: dict[int, list[str]] = {}
  for i, crystal in enumerate(crystals):
    if crystal is None:
      continue
    reason = checks.why_invalid(crystal)
    if reason is not None:
      crystals[i], failures[i] = None, reason
      continue
    missed = checks.unmet(crystal, request)
    if missed:
      unmet[i] = missed
  return Draws(crystals, failures, unmet, z, np.array(residuals))
