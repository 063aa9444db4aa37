"""The loss of codecs of element codes: atoms, KL, lattice and properties.

L = L_occupancy + L_species + L_offset (`coded_terms`) + β KL + L_lattice
+ L_properties (`property_terms`).

- KL: the KL of the autoencoder's latent numbers, nats. The lattice numbers of a
  latent are not learnt (`lattice_latent`): the metric `kl_nats` includes their
  KL, the loss does not.
- L_lattice, if a head predicts the lattice: the Huber loss of the six lattice
  numbers, linear in large errors because a few predictions are far off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.models import CodedNetworks
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.representation import Coded, readout
from crystal_jax.training import coded_terms, losses, metrics, property_terms

# Error above which the Huber loss is linear, in `UNITS`: 0.9 % of a length, 0.9
# degrees of an angle.
_HUBER_DELTA = 3.0


@dataclasses.dataclass(frozen=True)
class CodedLoss:
  """The loss of a model of element codes; a `steps.Loss`.

  Attributes:
    model: The representation and networks.
    weights: Weights of the terms.
    training: Whether to sample the latent, jitter the voxels at which atoms are
      read, and subsample the atoms. False: the posterior's mean is decoded, and
      each atom is read at its nearest voxel.
    property_weights: Weights of the terms of property heads. None: the networks
      have no heads.
  """

  model: Model[Coded, CodedNetworks]
  weights: coded_terms.CodedLossWeights
  training: bool
  property_weights: property_terms.PropertyWeights | None = None

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss, and further metrics; see `steps.Loss`."""
    networks, weights = self.model.networks, self.weights
    representation = self.model.representation
    examples = representation.examples(None, batch)
    targets, valid = examples.targets, examples.valid
    mean, log_var = networks.encode(params, examples.inputs)
    decoded = self._decoder_inputs(key, batch['index'], mean, log_var, targets)
    size = networks.vae.size
    voxels = readout.nearest_voxel(
      decoded.points, size, representation.periodic
    )
    outputs = networks.decode(
      params, decoded.z, voxels=voxels.astype(jnp.int32) % size
    )
    parts = [
      coded_terms.occupancy_terms(
        outputs['occupancy'], targets['occupancy'], valid, weights
      ),
      coded_terms.atom_terms(
        outputs, decoded.numbers, decoded.positions - voxels, valid, weights
      ),
    ]
    if networks.lattice.is_learnt:
      parts.append(
        _lattice_terms(outputs['lattice'], targets['lattice'], valid, weights)
      )
    if networks.heads.names:
      if self.property_weights is None:
        raise ValueError('Networks with property heads need property_weights.')
      parts.append(
        property_terms.property_terms(
          networks.heads,
          params['properties'],
          decoded.z,
          batch,
          valid,
          self.property_weights,
        )
      )
    parts.append(self._kl_terms(mean, log_var, valid, step))
    terms = {name: term for part, _ in parts for name, term in part.items()}
    sums = {name: value for _, part in parts for name, value in part.items()}
    return terms, jax.lax.stop_gradient(sums)

  def _decoder_inputs(
    self,
    key: Array,
    index: Int[Array, 'B'],
    mean: Float[Array, 'B D'],
    log_var: Float[Array, 'B D'],
    targets: Mapping[str, Array],
  ) -> _DecoderInputs:
    """What is decoded, and where; random in training."""
    numbers, positions = targets['numbers'], targets['voxel_positions']
    if not self.training:
      return _DecoderInputs(mean, numbers, positions, positions)
    latent_keys, jitter_keys, atom_keys = coded_terms.example_keys(
      key, index, 3
    )
    z = coded_terms.sampled(latent_keys, mean, log_var)
    if 0 < self.weights.atoms < numbers.shape[1]:
      numbers, positions = _subsample(
        atom_keys, numbers, positions, self.weights.atoms
      )
    points = coded_terms.jittered(jitter_keys, positions, self.weights.jitter)
    return _DecoderInputs(z, numbers, positions, points)

  def _kl_terms(
    self,
    mean: Float[Array, 'B D'],
    log_var: Float[Array, 'B D'],
    valid: Float[Array, 'B'],
    step: Array,
  ) -> coded_terms.Terms:
    """The KL of the learnt numbers, and that of all of them in nats."""
    learnt = self.model.networks.vae.latent_size
    nats = losses.kl(mean[:, :learnt], log_var[:, :learnt]) * valid
    lattice_nats = losses.kl(mean[:, learnt:], log_var[:, learnt:]) * valid
    beta, count = coded_terms.beta(step, self.weights), valid.sum()
    return (
      {'kl': (beta * nats.sum(), count)},
      {'kl_nats': ((nats + lattice_nats).sum(), count)},
    )


class _DecoderInputs(NamedTuple):
  """Latents that are decoded, and atoms that are read off the outputs.

  Attributes:
    z: Latents.
    numbers: Atomic numbers; 0 in empty slots.
    positions: Positions, in voxels.
    points: Where the atoms are read, in voxels: each at the nearest voxel.
  """

  z: Float[Array, 'B D']
  numbers: Int[Array, 'B M']
  positions: Float[Array, 'B M 3']
  points: Float[Array, 'B M 3']


def _lattice_terms(
  predicted: Float[Array, 'B 6'],
  target: Float[Array, 'B 6'],
  valid: Float[Array, 'B'],
  weights: coded_terms.CodedLossWeights,
) -> coded_terms.Terms:
  """The Huber loss of a predicted lattice, and its largest error in `UNITS`."""
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

  def of_example(key, numbers, positions):
    priority = jax.random.uniform(key, numbers.shape) + (numbers > 0)
    _, chosen = jax.lax.top_k(priority, atoms)
    return numbers[chosen], positions[chosen]

  return jax.vmap(of_example)(keys, numbers, positions)
