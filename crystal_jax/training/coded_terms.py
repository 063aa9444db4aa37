"""What the losses of coded densities share: occupancy, species, places, KL.

- `occupancy`: the squared error of the occupancy, a mean over voxels;
- `species`: cross entropy of the element of each atom asked for, its logits
  minus the scaled squared distances of the code said there to those of all
  elements, each code with a learnt offset;
- `offset`: the squared error of its place from the voxel, voxels²;
- `kl`: of the latent, nats.

Codes and offsets are asked at a voxel near each atom, not always the nearest,
for decoding asks where it finds the atom.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from crystal_jax.models.vae import latent_noise, sample_latent
from crystal_jax.structure import elements
from crystal_jax.training import metrics

Terms = tuple[metrics.Sums, metrics.Sums]


@dataclasses.dataclass(frozen=True)
class CodedLossWeights:
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


def example_keys(
  key: Array, index: Int[Array, 'B'], number: int
) -> list[Array]:
  """Keys [B] of so many draws, by an example's index in the global batch."""
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
  keys = jax.vmap(jax.random.split, (0, None))(keys, number)
  return [keys[:, i] for i in range(number)]


def drawn(
  keys: Array, mean: Float[Array, 'B L'], log_var: Float[Array, 'B L']
) -> Float[Array, 'B L']:
  """A latent of each posterior."""
  return sample_latent(mean, log_var, latent_noise(keys, mean.shape[1:]))


def jittered(
  keys: Array, places: Float[Array, 'B N 3'], jitter: float
) -> Float[Array, 'B N 3']:
  """Places in voxels, moved at random."""
  return places + jitter * latent_noise(keys, places.shape[1:])


def atom_terms(
  outputs: Mapping[str, Array],
  numbers: Int[Array, 'B N'],
  apart: Float[Array, 'B N 3'],
  valid: Float[Array, 'B'],
  weights: CodedLossWeights,
) -> Terms:
  """Species and offsets of the atoms that were asked.

  Args:
    outputs: What was said of them: codes [B, N, C], offsets [B, N, 3], and
      maybe code_offsets [B, E, C].
    numbers: Of the atoms; 0 in empty slots.
    apart: From the voxel that was asked to the atom, voxels.
    valid: Which examples count.
    weights: Of the terms.
  """
  atoms = (numbers > 0) * valid[:, None]
  loss, right = _species(outputs, numbers, weights.sharpness)
  wrong = jnp.square(outputs['offsets'] - apart).sum(-1)
  terms = {
    'species': ((loss * atoms).sum(), atoms.sum()),
    'offset': (weights.offset * (wrong * atoms).sum(), atoms.sum()),
  }
  whole = jnp.where(numbers > 0, right, True).all(1)
  sums = {
    'species_accuracy': ((right * atoms).sum(), atoms.sum()),
    'formula_right': ((whole * valid).sum(), valid.sum()),
  }
  return terms, sums


def occupancy_terms(
  occupancy: Float[Array, 'B G G G'],
  target: Float[Array, 'B G G G'],
  valid: Float[Array, 'B'],
  weights: CodedLossWeights,
) -> Terms:
  """The squared error of the occupancy."""
  wrong = jnp.square(occupancy - target).mean(axis=(1, 2, 3)) * valid
  terms = {'occupancy': (weights.occupancy * wrong.sum(), valid.sum())}
  return terms, {'reconstruction_mse': (wrong.sum(), valid.sum())}


def beta(step: Array, weights: CodedLossWeights) -> Array:
  """The weight of the KL at a step."""
  return weights.beta * jnp.minimum(
    1.0, (step + 1) / max(weights.beta_warmup, 1)
  )


def _species(
  outputs: Mapping[str, Array], numbers: Int[Array, 'B N'], sharpness: float
) -> tuple[Float[Array, 'B N'], Array]:
  """Cross entropy of each atom's element, and whether it is the likeliest."""
  table = elements.code_table(outputs.get('code_offsets'))
  apart = jnp.square(outputs['codes'][:, :, None] - table[:, None]).sum(-1)
  element = jnp.maximum(numbers - 1, 0)
  logits = -sharpness * apart
  loss = optax.softmax_cross_entropy_with_integer_labels(logits, element)
  return loss, logits.argmax(-1) == element
