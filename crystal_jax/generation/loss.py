"""Loss of the prior: squared errors of velocities, entropies of compositions.

- `flow`: squared error of the velocity, the mean over a latent's numbers. Those
  of the lattice have their own weight;
- `composition`: negative log-likelihood of a composition, nats: of its number
  of atoms, then of each element and its number of atoms. One random step of
  these is evaluated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.conditions import Conditions, DropRates
from crystal_jax.generation.networks import element_order
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.training import metrics

_IMPOSSIBLE = -1e9


@dataclasses.dataclass(frozen=True)
class PriorLossWeights:
  """Weights of the terms, and distributions of times and conditions.

  Attributes:
    lattice: Share of the flow's loss that is the lattice's numbers, the last
      six of a latent; 0: no such numbers.
    composition: Weight of a nat of the composition.
    time_mean: Mean of the logit of the time.
    time_deviation: Standard deviation of the logit of the time.
    drop: Shares of examples that lose a condition.
  """

  lattice: float
  composition: float
  time_mean: float
  time_deviation: float
  drop: DropRates


@dataclasses.dataclass(frozen=True)
class PriorLoss:
  """See `training.steps.Loss`.

  Attributes:
    model: `Latents` and `PriorNetworks`.
    weights: Weights of the terms.
    training: Whether the loss is differentiated.
  """

  model: Model
  weights: PriorLossWeights
  training: bool

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """The loss of one device's batch; see `training.steps.Loss`."""
    del step
    networks: PriorNetworks = self.model.networks
    latent_key, key = jax.random.split(key)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch['index'])
    keys = jax.vmap(jax.random.split, (0, None))(keys, 3)
    examples = self.model.representation.examples(latent_key, batch)
    count = len(batch['index'])
    properties = networks.standardized_properties(params, batch, count)
    given = conditions_lib.from_batch(batch, properties)
    kept = conditions_lib.drop_randomly(keys[:, 0], given, self.weights.drop)
    x = networks.latent_statistics(params).apply(examples.inputs['latent'])
    error = self._velocity_error(params, keys[:, 1], x, kept)
    nats = composition_nats(networks, params, keys[:, 2], given, kept)
    valid, total = examples.valid, examples.valid.sum()
    lattice = self.weights.lattice
    size = 6 if lattice else 0
    tokens = error[:, : error.shape[1] - size].mean(-1)
    sums = {'tokens': ((tokens * valid).sum(), total)}
    flow = tokens
    if size:
      numbers = error[:, -size:].mean(-1)
      sums['lattice'] = (numbers * valid).sum(), total
      flow = (1 - lattice) * tokens + lattice * numbers
    sums['nats'] = (nats * valid).sum(), total
    terms = {
      'flow': ((flow * valid).sum(), total),
      'composition': (self.weights.composition * (nats * valid).sum(), total),
    }
    return terms, sums

  def _velocity_error(self, params, keys, x, kept) -> Float[Array, 'B D']:
    """Squared errors at one random time."""

    def noise_and_time(key):
      noise_key, time_key = jax.random.split(key)
      logit = self.weights.time_mean + self.weights.time_deviation * (
        jax.random.normal(time_key)
      )
      return jax.random.normal(noise_key, x.shape[1:]), jax.nn.sigmoid(logit)

    noise, time = jax.vmap(noise_and_time)(keys)
    mixed = time[:, None] * x + (1 - time[:, None]) * noise
    velocity = self.model.networks.velocity(
      params, mixed, time, kept, training=self.training
    )
    return jnp.square(velocity - (x - noise))


def composition_nats(
  networks: PriorNetworks,
  params: PyTree,
  keys: Array,
  given: Conditions,
  kept: Conditions,
) -> Float[Array, 'B']:
  """Code length of each composition, nats, estimated from one random step.

  Args:
    networks: The networks.
    params: Their parameters.
    keys: PRNG keys, [B].
    given: Conditions with the true compositions.
    kept: The other conditions as the network gets them.
  """
  sequence = jnp.asarray(element_order() - 1)
  counts = jnp.asarray(given.counts)[:, sequence]
  present = counts > 0
  order_index = jnp.cumsum(present, axis=-1) - 1
  steps = jnp.maximum(present.sum(-1), 1)
  u = jax.vmap(jax.random.uniform)(keys)
  step = jnp.floor(u * steps).astype(jnp.int32)[:, None]
  before = jnp.where(present & (order_index < step), counts, 0)
  element = jnp.argmax(present & (order_index == step), axis=-1)
  total = counts.sum(-1).astype(jnp.int32)
  total_logits, element_logits, atom_logits = networks.composition_logits(
    params, before, total, element, kept
  )
  remaining = total - before.sum(-1).astype(jnp.int32)
  atoms = jnp.take_along_axis(counts, element[:, None], axis=-1)[:, 0]
  nats = cross_entropy(total_logits, total - 1)
  step_nats = cross_entropy(
    after_last(element_logits, before), element
  ) + cross_entropy(
    at_most(atom_logits, remaining), atoms.astype(jnp.int32) - 1
  )
  return nats + steps * step_nats


def after_last(
  logits: Float[Array, 'B E'], before: Float[Array, 'B E']
) -> Float[Array, 'B E']:
  """Logits of elements that come after all those before."""
  index = jnp.arange(logits.shape[-1])[None]
  last = jnp.max(jnp.where(before > 0, index, -1), axis=-1, keepdims=True)
  return jnp.where(index > last, logits, _IMPOSSIBLE)


def at_most(
  logits: Float[Array, 'B N'], remaining: Array
) -> Float[Array, 'B N']:
  """Logits of 1, 2, .. atoms, at most the remaining ones."""
  atoms = 1 + jnp.arange(logits.shape[-1])[None]
  return jnp.where(atoms <= remaining[:, None], logits, _IMPOSSIBLE)


def cross_entropy(logits: Float[Array, 'B C'], label: Array) -> Array:
  """Cross entropy of integer labels, nats."""
  log_shares = jax.nn.log_softmax(logits)
  label = jnp.clip(label, 0, logits.shape[-1] - 1)
  return -jnp.take_along_axis(log_shares, label[:, None], axis=-1)[:, 0]
