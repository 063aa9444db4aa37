"""Crystals to the mean and variance of their posteriors, without state."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from crystal_jax.codec import batching
from crystal_jax.codec.model import Model
from crystal_jax.structure.adapters import Refused
from crystal_jax.structure.crystal import Crystal


def encode_crystals(
  model: Model,
  params: PyTree,
  crystals: Sequence[Crystal | Refused],
  known: Collection[int] | None,
  *,
  skip: bool,
) -> tuple[Float[np.ndarray, 'B D'], Float[np.ndarray, 'B D'], dict[int, str]]:
  """Posterior mean and logarithm of the variance, and what failed.

  Args:
    model: Gives inputs and encodes them.
    params: Of its networks.
    crystals: As `adapters.to_crystals` gives them.
    known: Atomic numbers that were seen in training; None: all.
    skip: Failures are NaN rows; otherwise the first is an error.

  Returns:
    float32 arrays, and the reason of each failure by its index.

  Raises:
    ValueError: If a crystal cannot be encoded and `skip` is false.
  """
  size = int(np.prod(model.networks.latent_shape))
  mean = np.full((len(crystals), size), np.nan, np.float32)
  log_var = mean.copy()
  failures: dict[int, str] = {}

  def fail(index: int, reason: str) -> None:
    if not skip:
      raise ValueError(f'Crystal {index} cannot be encoded: {reason}.')
    failures[index] = reason

  for representation, indices, batch in batching.batches(
    model.representation, crystals, known, fail
  ):
    *posterior, valid = jax.device_get(
      _encoded(representation, model.networks, params, batch)
    )
    valid = valid & np.isfinite(posterior[0]).all(axis=1)
    for row, index in enumerate(indices):
      if valid[row]:
        mean[index], log_var[index] = (leaf[row] for leaf in posterior)
      else:
        fail(index, 'its density has more images than the model has room for')
  return mean, log_var, dict(sorted(failures.items()))


@functools.partial(jax.jit, static_argnames=('representation', 'networks'))
def _encoded(representation, networks, params, batch):
  """Mean and log variance, [B, D] each, and whether each example is whole."""
  examples = representation.examples(None, batch)
  posterior = networks.encode(params, examples.inputs)
  mean, log_var = (
    x.reshape(batching.SIZE, -1).astype(jnp.float32) for x in posterior
  )
  return mean, log_var, examples.valid > 0
