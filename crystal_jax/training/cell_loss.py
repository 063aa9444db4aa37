"""The loss of a cell model: occupancy, species, places, KL.

- `occupancy`: the squared error of the occupancy, summed over voxels;
- `species`: cross entropy of the element of each true atom, its logits minus
  the scaled squared distances of the code said there to those of all elements,
  each code with a learnt offset;
- `offset`: the squared error of its place from the voxel, voxels²;
- `kl`: of the latent, nats. That of the lattice's six numbers, which are not
  learnt, is reported but not in the loss.

Codes and offsets are asked at a voxel near each atom, not always the nearest,
for decoding asks where it finds the atom.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from crystal_jax import elements
from crystal_jax.model import Model
from crystal_jax.models.vae import latent_noise, sample_latent
from crystal_jax.training import losses, metrics


@dataclasses.dataclass(frozen=True)
class CellLossWeights:
  """How the terms of the loss add up.

  Attributes:
    beta: Of the KL.
    beta_warmup: Steps over which beta rises from zero.
    occupancy: Of the squared error, a mean over the voxels.
    offset: Of the squared error, a mean over the atoms.
    sharpness: Of the logits: minus this times squared distances of codes.
    jitter: Deviation of the voxels that are asked from the atoms, voxels.
  """

  beta: float
  beta_warmup: int
  occupancy: float
  offset: float
  sharpness: float
  jitter: float


@dataclasses.dataclass(frozen=True)
class CellLoss:
  """The loss of a cell model; a `steps.Loss`.

  Attributes:
    model: A cell and its networks.
    weights: Of the terms.
    training: Whether a latent is drawn and voxels jitter; otherwise the
      latent's mean is decoded, and the nearest voxels are asked.
  """

  model: Model
  weights: CellLossWeights
  training: bool

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss and what else is reported; see `steps.Loss`."""
    networks, weights = self.model.networks, self.weights
    examples = self.model.representation.examples(None, batch)
    targets, valid = examples.targets, examples.valid
    mean, log_var = networks.encode(params, examples.inputs)
    z, place = mean, targets['fractional']
    size = networks.vae.size
    if self.training:
      keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch['index'])
      noise_keys, voxel_keys = jnp.moveaxis(
        jax.vmap(jax.random.split)(keys), 1, 0
      )
      noise = latent_noise(noise_keys, networks.latent_shape)
      z = sample_latent(mean, log_var, noise)
      place = place + weights.jitter / size * latent_noise(
        voxel_keys, place.shape[1:]
      )
    asked = jnp.round(place * size)
    outputs = networks.decode(params, z, voxels=asked.astype(jnp.int32) % size)
    atoms = (targets['numbers'] > 0) * valid[:, None]
    species = _species(outputs, targets['numbers'], weights.sharpness)
    offsets = targets['fractional'] * size - asked
    apart = jnp.square(outputs['offsets'] - offsets).sum(-1)
    wrong = jnp.square(outputs['occupancy'] - targets['occupancy'])
    wrong = wrong.mean(axis=(1, 2, 3)) * valid
    ramp = jnp.minimum(1.0, (step + 1) / max(weights.beta_warmup, 1))
    learnt = losses.kl(mean[:, :-6], log_var[:, :-6], 0.0) * valid
    lattice = losses.kl(mean[:, -6:], log_var[:, -6:], 0.0) * valid
    count = valid.sum()
    terms = {
      'occupancy': (weights.occupancy * wrong.sum(), count),
      'species': ((species['loss'] * atoms).sum(), atoms.sum()),
      'offset': (weights.offset * (apart * atoms).sum(), atoms.sum()),
      'kl': (weights.beta * ramp * learnt.sum(), count),
    }
    right = jnp.where(targets['numbers'] > 0, species['right'], True).all(1)
    sums = {
      'reconstruction_mse': (wrong.sum(), count),
      'species_accuracy': ((species['right'] * atoms).sum(), atoms.sum()),
      'formula_right': ((right * valid).sum(), count),
      'kl_nats': ((learnt + lattice).sum(), count),
    }
    return terms, jax.lax.stop_gradient(sums)


def _species(
  outputs: Mapping[str, Array], numbers: Int[Array, 'B N'], sharpness: float
) -> dict[str, Array]:
  """Cross entropy of each atom's element, and whether it is the likeliest."""
  table = elements.code_table(outputs.get('code_offsets'))
  apart = jnp.square(outputs['codes'][:, :, None] - table[:, None]).sum(-1)
  element = jnp.maximum(numbers - 1, 0)
  logits = -sharpness * apart
  loss = optax.softmax_cross_entropy_with_integer_labels(logits, element)
  return {'loss': loss, 'right': logits.argmax(-1) == element}
