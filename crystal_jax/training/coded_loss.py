"""The loss of densities of element codes: atoms, KL and a predicted lattice.

L = L_occupancy + L_species + L_offset (`coded_terms`) + β KL + L_lattice
+ L_properties (`property_terms`).

- `kl`: that of the autoencoder's latent numbers, nats. The KL of a lattice that
  is part of the latent is not learnt: it is in `kl_nats`, not in the loss.
- `lattice`, if a head predicts it: the error of the six lattice numbers in
  `lattice_latent.UNITS`, quadratic up to `_HUBER_DELTA` and linear beyond,
  because most lattices are near and a few are far off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.models import CodedNetworks
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.representation import Coded, readout
from crystal_jax.training import coded_terms, losses, metrics, property_terms

# In `lattice_latent.UNITS`: 0.9 % of a length, 0.9 degrees of an angle.
_HUBER_DELTA = 3.0


@dataclasses.dataclass(frozen=True)
class CodedLoss:
  """The loss of a coded model; a `steps.Loss`.

  Attributes:
    model: Its representation and networks.
    weights: Weights of the terms.
    training: Whether to sample the latent, jitter the voxels and subsample the
      atoms. False: the posterior's mean is decoded, and every atom is read at
      its nearest voxel.
    property_weights: Weights of the terms of property heads; None: no heads.
  """

  model: Model[Coded, CodedNetworks]
  weights: coded_terms.CodedLossWeights
  training: bool
  property_weights: property_terms.PropertyWeights | None = None

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss and further metrics; see `steps.Loss`."""
    networks, weights = self.model.networks, self.weights
    representation = self.model.representation
    examples = representation.examples(None, batch)
    targets, valid = examples.targets, examples.valid
    mean, log_var = networks.encode(params, examples.inputs)
    numbers, positions = targets['numbers'], targets['voxel_positions']
    z, queries = mean, positions
    if self.training:
      latent_keys, jitter_keys, atom_keys = coded_terms.example_keys(
        key, batch['index'], 3
      )
      z = coded_terms.sampled(latent_keys, mean, log_var)
      if 0 < weights.atoms < numbers.shape[1]:
        numbers, positions = _subsample(
          atom_keys, numbers, positions, weights.atoms
        )
      queries = coded_terms.jittered(jitter_keys, positions, weights.jitter)
    size = networks.vae.size
    queries = readout.nearest_voxel(queries, size, representation.periodic)
    outputs = networks.decode(
      params, z, voxels=queries.astype(jnp.int32) % size
    )
    terms, sums = coded_terms.occupancy_terms(
      outputs['occupancy'], targets['occupancy'], valid, weights
    )
    atom_terms, atom_sums = coded_terms.atom_terms(
      outputs, numbers, positions - queries, valid, weights
    )
    terms, sums = terms | atom_terms, sums | atom_sums
    if networks.lattice.is_learnt:
      lattice_terms, lattice_sums = _lattice_terms(
        outputs['lattice'], targets['lattice'], valid, weights
      )
      terms, sums = terms | lattice_terms, sums | lattice_sums
    if networks.heads.names:
      if self.property_weights is None:
        raise ValueError('Networks with property heads need property_weights.')
      head_terms, head_sums = property_terms.property_terms(
        networks.heads,
        params['properties'],
        z,
        batch,
        valid,
        self.property_weights,
      )
      terms, sums = terms | head_terms, sums | head_sums
    learnt = networks.vae.latent_size
    nats = losses.kl(mean[:, :learnt], log_var[:, :learnt]) * valid
    exact_nats = losses.kl(mean[:, learnt:], log_var[:, learnt:]) * valid
    beta, count = coded_terms.beta(step, weights), valid.sum()
    terms['kl'] = beta * nats.sum(), count
    sums['kl_nats'] = (nats + exact_nats).sum(), count
    return terms, jax.lax.stop_gradient(sums)


def _lattice_terms(
  predicted: Float[Array, 'B 6'],
  target: Float[Array, 'B 6'],
  valid: Float[Array, 'B'],
  weights: coded_terms.CodedLossWeights,
) -> coded_terms.Terms:
  """The Huber loss of a predicted lattice, and its largest error, in units."""
  error = (predicted - target) / UNITS[None]
  huber = optax.huber_loss(error, delta=_HUBER_DELTA).mean(-1) * valid
  largest = jnp.abs(error).max(-1) * valid
  count = valid.sum()
  return (
    {'lattice': (weights.lattice * huber.sum(), count)},
    {'lattice_units': (largest.sum(), count)},
  )


def _subsample(
  keys: Array,
  numbers: Int[Array, 'B N'],
  positions: Float[Array, 'B N 3'],
  atoms: int,
) -> tuple[Int[Array, 'B M'], Float[Array, 'B M 3']]:
  """At most `atoms` random atoms of each example; empty slots come last."""

  def one(key, numbers, positions):
    order = jax.random.uniform(key, numbers.shape) + (numbers > 0)
    _, chosen = jax.lax.top_k(order, atoms)
    return numbers[chosen], positions[chosen]

  return jax.vmap(one)(keys, numbers, positions)
