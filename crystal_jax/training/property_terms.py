"""Loss terms and metrics of property heads.

The terms are the cross entropy of classes and distributions, and the Huber loss
of standardised scalars, quadratic up to one standard deviation of the training
set. A crystal whose property is unknown (NaN) is left out of that term.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from crystal_jax.models.property_heads import (
  COMPUTED,
  PropertyHeads,
  kind_of,
)
from crystal_jax.training import metrics


@dataclasses.dataclass(frozen=True)
class PropertyWeights:
  """Weight of each property's term.

  Attributes:
    element_fractions: Weight of their cross entropy.
    crystal_system: Weight of its cross entropy.
    num_atoms: Weight of its Huber loss.
    volume_per_atom: Weight of the Huber loss of its logarithm.
    columns: Weight of the Huber loss of each scalar column of the data set.
  """

  element_fractions: float
  crystal_system: float
  num_atoms: float
  volume_per_atom: float
  columns: float

  def of(self, name: str) -> float:
    """The weight of a property."""
    return getattr(self, name if name in COMPUTED else 'columns')


def property_terms(
  heads: PropertyHeads,
  params: PyTree,
  z: Float[Array, 'B D'],
  batch: Mapping[str, Array],
  valid: Float[Array, 'B'],
  weights: PropertyWeights,
) -> tuple[metrics.Sums, metrics.Sums]:
  """Terms of the loss, and errors in the units of `predict`.

  Args:
    heads: The heads.
    params: Their parameters.
    z: Latents, sampled in training.
    batch: Prepared crystals, and the columns that the properties need.
    valid: 1 for examples that count, 0 for the rest.
    weights: Weights of the terms.
  """
  outputs = heads.outputs(params, z)
  targets = heads.targets(params, batch)
  terms: metrics.Sums = {}
  sums: metrics.Sums = {}
  for name in heads.names:
    output, target, kind = outputs[name], targets[name], kind_of(name)
    known = jnp.isfinite(target).all(1)
    target = jnp.where(known[:, None], target, 0.0)
    counted = known * valid
    if kind.name in ('distribution', 'class'):
      loss = -(target * jax.nn.log_softmax(output)).sum(1)
      if kind.name == 'class':
        right = output.argmax(1) == target.argmax(1)
        sums[f'{name}_accuracy'] = (right * counted).sum(), counted.sum()
    else:
      error = (output - target)[:, 0]
      loss = 2 * optax.huber_loss(error, delta=1.0)
      # For a logarithm, this is the relative error.
      absolute = jnp.abs(error) * params[name]['std']
      sums[f'{name}_mae'] = (absolute * counted).sum(), counted.sum()
    total = weights.of(name) * (loss * counted).sum()
    terms[f'head_{name}'] = total, counted.sum()
  return terms, sums
