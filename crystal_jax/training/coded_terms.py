"""Loss terms of coded densities: occupancy, species, offsets.

- `occupancy`: the squared error of the occupancy, a mean over voxels;
- `species`: the cross entropy of each atom's element. The logits are minus
  the scaled squared distances of the predicted code to the codes of all
  elements, each with its learnt offset;
- `offset`: the squared error of the atom's position relative to the voxel,
  voxels².

Codes and offsets are read at a voxel near each atom, not always the nearest,
because decoding reads them where it finds the atom, with a small error.
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
  """Weights of the terms, and settings of the sampling in a training step.

  Attributes:
    beta: Weight of the KL.
    beta_warmup: Number of steps over which beta rises from zero.
    occupancy: Weight of the squared error, a mean over the voxels.
    offset: Weight of the squared error, a mean over the atoms.
    sharpness: Scale of the logits: minus this times squared distances of codes.
    jitter: Standard deviation of the distance between an atom and the voxel it
      is read at, voxels.
    lattice: Weight of the error of a predicted lattice.
    atoms: Number of random atoms of an example that are read; 0: all.
  """

  beta: float
  beta_warmup: int
  occupancy: float
  offset: float
  sharpness: float
  jitter: float
  lattice: float = 0.0
  atoms: int = 0


def example_keys(
  key: Array, index: Int[Array, 'B'], number: int
) -> list[Array]:
  """`number` arrays of keys [B], by an example's index in the global batch."""
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
  keys = jax.vmap(jax.random.split, (0, None))(keys, number)
  return [keys[:, i] for i in range(number)]


def sampled(
  keys: Array, mean: Float[Array, 'B L'], log_var: Float[Array, 'B L']
) -> Float[Array, 'B L']:
  """One sample of each posterior."""
  return sample_latent(mean, log_var, latent_noise(keys, mean.shape[1:]))


def jittered(
  keys: Array, positions: Float[Array, 'B N 3'], jitter: float
) -> Float[Array, 'B N 3']:
  """Positions in voxels, with Gaussian noise of deviation `jitter`."""
  return positions + jitter * latent_noise(keys, positions.shape[1:])


def atom_terms(
  outputs: Mapping[str, Array],
  numbers: Int[Array, 'B N'],
  offsets: Float[Array, 'B N 3'],
  valid: Float[Array, 'B'],
  weights: CodedLossWeights,
) -> Terms:
  """Terms of species and offsets of the given atoms.

  Args:
    outputs: Outputs at a voxel near each atom: codes [B, N, C], offsets
      [B, N, 3], and code_offsets [B, E, C] if they are learnt.
    numbers: Atomic numbers; 0 in empty slots.
    offsets: True offsets of the atoms from those voxels, voxels.
    valid: 1 for examples that count, 0 for the rest.
    weights: Weights of the terms.
  """
  atoms = (numbers > 0) * valid[:, None]
  loss, is_correct = _species(outputs, numbers, weights.sharpness)
  error = jnp.square(outputs['offsets'] - offsets).sum(-1)
  terms = {
    'species': ((loss * atoms).sum(), atoms.sum()),
    'offset': (weights.offset * (error * atoms).sum(), atoms.sum()),
  }
  all_correct = jnp.where(numbers > 0, is_correct, True).all(1)
  sums = {
    'species_accuracy': ((is_correct * atoms).sum(), atoms.sum()),
    'formula_right': ((all_correct * valid).sum(), valid.sum()),
  }
  return terms, sums


def occupancy_terms(
  occupancy: Float[Array, 'B G G G'],
  target: Float[Array, 'B G G G'],
  valid: Float[Array, 'B'],
  weights: CodedLossWeights,
) -> Terms:
  """The squared error of the occupancy."""
  error = jnp.square(occupancy - target).mean(axis=(1, 2, 3)) * valid
  terms = {'occupancy': (weights.occupancy * error.sum(), valid.sum())}
  return terms, {'reconstruction_mse': (error.sum(), valid.sum())}


def beta(step: Array, weights: CodedLossWeights) -> Array:
  """The weight of the KL at a step."""
  return weights.beta * jnp.minimum(
    1.0, (step + 1) / max(weights.beta_warmup, 1)
  )


def _species(
  outputs: Mapping[str, Array], numbers: Int[Array, 'B N'], sharpness: float
) -> tuple[Float[Array, 'B N'], Array]:
  """Cross entropy of each atom's element, and whether it is predicted."""
  table = elements.code_table(outputs.get('code_offsets'))
  squares = jnp.square(outputs['codes'][:, :, None] - table[:, None]).sum(-1)
  element = jnp.maximum(numbers - 1, 0)
  logits = -sharpness * squares
  loss = optax.softmax_cross_entropy_with_integer_labels(logits, element)
  return loss, logits.argmax(-1) == element
