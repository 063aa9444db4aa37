"""Neighbours of a known crystal, from a codec's prior.

A sample of the crystal's posterior is mixed with noise, as the flow mixes data
and noise at an earlier time. The flow is integrated from that time on.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from crystal_jax.generation import integration
from crystal_jax.generation.latent_sampling import (
  GUIDANCE,
  STEPS,
  TEMPERATURE,
)
from crystal_jax.generation.loading import Prior
from crystal_jax.generation.request import Criteria
from crystal_jax.generation.samples import Draws, collect
from crystal_jax.generation.sampling import (
  at_least_zero,
  decode_draws,
  draw_compositions,
  make_request,
)
from crystal_jax.structure import adapters, composition, primitive

# Stream of the noise of the posterior; that of the flow is 0.
_POSTERIOR = 1


def alter(
  codec: Any,
  prior: Prior,
  crystal: Any,
  n: int,
  criteria: Criteria,
  *,
  strength: float = 0.3,
  seed: int = 0,
  guidance: float | None = None,
  temperature: float | None = None,
  exact: bool = False,
  steps: int = STEPS,
  refine: str = 'none',
) -> Draws:
  """Neighbours of a crystal; see `Codec.alter`.

  Args:
    codec: Encodes and decodes.
    prior: Prior of the codec.
    crystal: One crystal.
    n: Number of neighbours.
    criteria: Criteria of each neighbour; without composition, elements and
      number of atoms, those of the crystal's primitive cell.
    strength: Share of noise: near 0 the crystal itself, 1 an independent draw.
      The flow is integrated from time 1 - strength on.
    seed: Seed of all random numbers.
    guidance: See `sample`.
    temperature: See `sample`.
    exact: See `sample`.
    steps: Steps of the integration from time 0 to 1.
    refine: See `Codec.decode`.

  Raises:
    ValueError: If the crystal cannot be encoded, or as `sample`.
  """
  if n < 1:
    raise ValueError(f'Need {n=} to be at least 1.')
  if not 0 < strength <= 1:
    raise ValueError(f'Need {strength=} to be above 0 and at most 1.')
  items = adapters.as_list(crystal)
  if len(items) != 1:
    raise ValueError(f'Need one crystal to alter, not {len(items)}.')
  known = adapters.to_crystal(items[0])
  mean, std = codec.encode(known, std=True)
  given = criteria.composition, criteria.elements, criteria.num_atoms
  if given == (None, None, None):
    numbers = primitive.primitive_numbers(known)
    criteria = dataclasses.replace(
      criteria,
      composition=dict(composition.unit_of(numbers)),
      num_atoms=len(numbers),
    )
  request = make_request(codec, prior, criteria)
  guidance = at_least_zero('guidance', guidance, GUIDANCE)
  temperature = at_least_zero('temperature', temperature, TEMPERATURE)
  statistics = prior.networks.latent_statistics(prior.params)
  standardized = np.asarray(statistics.apply(jnp.asarray(mean)))
  spread = std / np.asarray(statistics.deviation)[None]

  def draw_batch(index):
    given, contents = draw_compositions(prior, request, seed, index)
    size = prior.networks.latent_size
    noise = temperature * integration.noise(seed, index, size)
    posterior = standardized + spread * integration.noise(
      seed, index, size, stream=_POSTERIOR
    )
    start = (1 - strength) * posterior + strength * noise
    z = integration.integrate(
      prior.networks,
      prior.params,
      start.astype(np.float32),
      given,
      begin=1 - strength,
      guidance=guidance,
      steps=max(2, round(strength * steps)),
    )
    return decode_draws(codec, z, contents, request, refine)

  return collect(draw_batch, n, exact)
