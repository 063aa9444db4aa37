"""Metrics of reconstructed densities and species maps.

A metric is a sum and a count. Both are added over batches and devices, and
divided once at the end.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Sums = dict[str, tuple[Array, Array]]


def density_sums(
  predicted: Float[Array, 'B G G G C'],
  density: Float[Array, 'B G G G C'],
  valid: Float[Array, 'B'],
) -> Sums:
  """Squared error of channel 0 (weight² Å⁻⁶) over voxels of valid examples."""
  error = jnp.square(predicted[..., 0] - density[..., 0]).mean(axis=(1, 2, 3))
  return {'reconstruction_mse': ((error * valid).sum(), valid.sum())}


def species_sums(
  predicted: Int[Array, 'B *V'],
  labels: Int[Array, 'B *V'],
  valid: Float[Array, 'B'],
) -> Sums:
  """Agreement of two species maps, without the background.

  `species_iou`: number of voxels with the correct species over number of voxels
  labelled as an atom in either map. `species_recall`: share of labelled voxels
  that are correct.
  """
  valid = valid.reshape(-1, *[1] * (labels.ndim - 1))
  correct = (valid * ((predicted == labels) & (labels > 0))).sum()
  either = (valid * ((predicted > 0) | (labels > 0))).sum()
  labelled = (valid * (labels > 0)).sum()
  return {
    'species_iou': (correct, either),
    'species_recall': (correct, labelled),
  }


def add(a: Sums | None, b: Sums) -> Sums:
  """Sums over two sets of examples."""
  if a is None:
    return b
  return {k: (a[k][0] + b[k][0], a[k][1] + b[k][1]) for k in b}


def divide(sums: Sums) -> dict[str, float]:
  """Each sum over its count; NaN if the count is zero."""
  return {
    k: float(total) / float(count) if float(count) > 0 else float('nan')
    for k, (total, count) in sums.items()
  }
