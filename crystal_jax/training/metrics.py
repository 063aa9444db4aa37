"""Metrics of reconstructed densities and species maps.

A metric is a sum and a count. Sums and counts are added over batches and
devices; the sum is divided by the count once, at the end.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# Sum and count of each metric, by name.
Sums = dict[str, tuple[Array, Array]]


def density_sums(
  predicted: Float[Array, 'B G G G C'],
  density: Float[Array, 'B G G G C'],
  valid: Float[Array, 'B'],
) -> Sums:
  """Mean squared error of channel 0 over voxels, summed over examples.

  Args:
    predicted: Predicted densities, weight per Å³.
    density: True densities, weight per Å³.
    valid: 1 for an example, 0 for padding.

  Returns:
    `reconstruction_mse`, weight² Å⁻⁶.
  """
  error = jnp.square(predicted[..., 0] - density[..., 0]).mean(axis=(1, 2, 3))
  return {'reconstruction_mse': ((error * valid).sum(), valid.sum())}


def species_sums(
  predicted: Int[Array, 'B *V'],
  labels: Int[Array, 'B *V'],
  valid: Float[Array, 'B'],
) -> Sums:
  """Agreement of two species maps, without the background.

  Args:
    predicted: Predicted atomic number of each voxel; 0: background.
    labels: True atomic number of each voxel; 0: background.
    valid: 1 for an example, 0 for padding.

  Returns:
    `species_iou`: number of voxels with the correct species over number of
    voxels that are an atom in either map. `species_recall`: share of the
    labelled voxels that are correct.
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
  """Sums over two sets of examples; None: the empty set."""
  if a is None:
    return b
  return {k: (a[k][0] + b[k][0], a[k][1] + b[k][1]) for k in b}


def divide(sums: Sums) -> dict[str, float]:
  """Each sum over its count; NaN if the count is zero."""
  return {
    k: float(total) / float(count) if float(count) > 0 else float('nan')
    for k, (total, count) in sums.items()
  }
