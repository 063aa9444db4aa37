"""Crystals sampled from a codec's prior, and neighbours of a known crystal.

In this order: a composition (asked for, or drawn), a latent under it and the
other conditions, and the crystal of that latent, of which the composition is
known. Every draw has its own random numbers, by the seed and its index, so that
the first five of ten draws are those of a draw of five.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PyTree

from crystal_jax.generation import checks, integration
from crystal_jax.generation.compositions import Compositions, known_numbers
from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.loading import Prior
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.generation.request import Criteria, Request, resolve
from crystal_jax.generation.samples import Draws, collect
from crystal_jax.structure import composition as composition_lib

# Strength of the conditions where nothing is said, and scale of the noise that
# latents start from (1: the prior itself; less: nearer to its modes). Chosen on
# 96 compositions of mp_20_part_val; benchmarks/RESULTS.md.
GUIDANCE = 2.0
TEMPERATURE = 0.7
# Steps of Heun's method.
STEPS = 25
# Bits of a seed that tell compositions from latents.
_COMPOSITION = 1
# Stream of the noise of the posterior; that of the flow is 0.
_POSTERIOR = 1


def sample(
  codec: Any,
  prior: Prior,
  n: int,
  criteria: Criteria,
  *,
  seed: int = 0,
  guidance: float | None = None,
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
    exact: Draw again what is not valid or not as asked, up to `BUDGET` draws
      for each crystal.
    steps: Steps of Heun's method.
    refine: See `Codec.decode`.

  Raises:
    ValueError: If a condition is unknown, or two contradict each other.
  """
  if n < 1:
    raise ValueError(f'Need {n=} to be at least 1.')
  request = _request(codec, prior, criteria)
  guidance = _guidance(guidance)

  def draw_batch(index):
    given, contents = _compositions(prior, request, seed, index)
    z = sample_latents(
      prior.networks,
      prior.params,
      given,
      seed=seed,
      index=index,
      guidance=guidance,
      steps=steps,
    )
    return _decoded(codec, z, contents, request, refine)

  return collect(draw_batch, n, exact)


def sample_latents(
  networks: PriorNetworks,
  params: PyTree,
  given: Conditions,
  *,
  seed: int,
  index: Int[np.ndarray, 'B'],
  guidance: float = GUIDANCE,
  steps: int = STEPS,
) -> Float[np.ndarray, 'B D']:
  """Latents under conditions, from noise of scale `TEMPERATURE`.

  Args:
    networks: Networks of the prior.
    params: Their parameters.
    given: Conditions of each latent.
    seed: Seed of the noise.
    index: Index of each draw; its noise depends on seed and index alone.
    guidance: Strength of the conditions.
    steps: Steps of Heun's method.
  """
  start = TEMPERATURE * integration.noise(seed, index, networks.latent_size)
  return integration.integrate(
    networks, params, start, given, guidance=guidance, steps=steps
  )


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
  exact: bool = False,
  steps: int = STEPS,
  refine: str = 'none',
) -> Draws:
  """Neighbours of a crystal; see `Codec.alter`.

  Its latent is taken back to time 1 - strength, by as much noise as there is at
  that time, and from there along the flow.

  Args:
    codec: Encodes and decodes.
    prior: Prior of the codec.
    crystal: One crystal.
    n: Number of neighbours.
    criteria: Criteria of each neighbour; without composition, elements and
      number of atoms, the composition of the crystal.
    strength: Share of noise: near 0 the crystal itself, 1 an independent draw.
    seed: Seed of all random numbers.
    guidance: See `sample`.
    exact: See `sample`.
    steps: Steps of Heun's method from time 0 to 1.
    refine: See `Codec.decode`.

  Raises:
    ValueError: If the crystal cannot be encoded, or as `sample`.
  """
  if n < 1:
    raise ValueError(f'Need {n=} to be at least 1.')
  if not 0 < strength <= 1:
    raise ValueError(f'Need {strength=} to be above 0 and at most 1.')
  mean, std = codec.encode(crystal, std=True)
  if len(mean) != 1:
    raise ValueError(f'Need one crystal to alter, not {len(mean)}.')
  given = criteria.composition, criteria.elements, criteria.num_atoms
  if given == (None, None, None):
    (same,) = codec.decode(mean)
    if same is None:
      raise ValueError(f'The crystal does not come back: {codec.failures[0]}.')
    criteria = dataclasses.replace(
      criteria,
      composition=dict(composition_lib.unit_of(same.numbers)),
      num_atoms=len(same.numbers),
    )
  request = _request(codec, prior, criteria)
  guidance = _guidance(guidance)
  statistics = prior.networks.latent_statistics(prior.params)
  known = np.asarray(statistics.apply(jnp.asarray(mean)))
  spread = std / np.asarray(statistics.deviation)[None]

  def draw_batch(index):
    given, contents = _compositions(prior, request, seed, index)
    size = prior.networks.latent_size
    noise = TEMPERATURE * integration.noise(seed, index, size)
    posterior = known + spread * integration.noise(
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
    return _decoded(codec, z, contents, request, refine)

  return collect(draw_batch, n, exact)


def _request(codec, prior, criteria) -> Request:
  known = known_numbers(codec.describe().get('elements'))
  return resolve(prior.networks, prior.params, known, criteria)


def _guidance(guidance: float | None) -> float:
  guidance = GUIDANCE if guidance is None else float(guidance)
  if not guidance >= 0 or not np.isfinite(guidance):
    raise ValueError(f'Need {guidance=} to be 0 or more.')
  return guidance


def _compositions(prior, request, seed, index):
  """Conditions of each draw, and what its cell has to hold."""
  generators = [
    np.random.default_rng([seed, int(i), _COMPOSITION]) for i in index
  ]
  counts = Compositions(prior.networks, prior.params).draw(
    generators, request.given, request.choice
  )
  given = jax.tree.map(
    lambda x: np.repeat(x, len(index), axis=0), request.given
  )
  given = given._replace(counts=counts.astype(np.float32))
  contents = []
  for row in counts:
    unit = composition_lib.reduced(
      {z + 1: int(row[z]) for z in np.flatnonzero(row)}
    )
    size = sum(count for _, count in unit)
    contents.append(composition_lib.Contents(unit, int(row.sum()) // size))
  return given, contents


def _decoded(codec, z, contents, request, refine) -> Draws:
  """Crystals of latents, checked."""
  crystals = codec.decode(
    z,
    composition=[dict(each.unit) for each in contents],
    num_atoms=[each.units * each.unit_size for each in contents],
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
    missed = checks.unmet(crystal, contents[i], request)
    if missed:
      unmet[i] = missed
  return Draws(crystals, failures, unmet, z, np.array(residuals), len(z))
