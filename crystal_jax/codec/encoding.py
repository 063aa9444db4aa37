"""Encoding of crystals to posterior means and variances; no state."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Collection, Sequence

import jax
import numpy as np
from jaxtyping import Float, PyTree

from crystal_jax.codec import batching
from crystal_jax.codec.model import Model, Posterior, encode_batch
from crystal_jax.structure.adapters import Refused
from crystal_jax.structure.crystal import Crystal

# Batches that the networks may be behind.
_AHEAD = 8


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
    model: Model that makes inputs and encodes them.
    params: Parameters of its networks.
    crystals: Crystals as returned by `adapters.to_crystals`.
    known: Atomic numbers that were seen in training; None: all.
    skip: Whether failures are NaN rows. False: the first failure is an error.

  Returns:
    float32 arrays, and the reason of each failure by its index.

  Raises:
    ValueError: If a crystal cannot be encoded and `skip` is false.
  """
  mean = np.full((len(crystals), model.latent_size), np.nan, np.float32)
  log_var = mean.copy()
  failures: dict[int, str] = {}

  def fail(index: int, reason: str) -> None:
    if not skip:
      raise ValueError(f'Crystal {index} cannot be encoded: {reason}.')
    failures[index] = reason

  def store(indices: list[int], posterior: Posterior) -> None:
    posterior = jax.device_get(posterior)
    valid = (posterior.valid > 0) & np.isfinite(posterior.mean).all(axis=1)
    for row, index in enumerate(indices):
      if valid[row]:
        mean[index] = posterior.mean[row]
        log_var[index] = posterior.log_var[row]
      else:
        fail(index, 'its density has more images than the model has room for')

  # The networks compute while the next crystals are prepared.
  computing: collections.deque[tuple[list[int], Posterior]] = (
    collections.deque()
  )
  for representation, indices, batch in batching.batches(
    model.representation, crystals, known, fail
  ):
    sized = dataclasses.replace(model, representation=representation)
    computing.append((indices, encode_batch(sized, params, batch)))
    if len(computing) > _AHEAD:
      store(*computing.popleft())
  for indices, posterior in computing:
    store(indices, posterior)
  return mean, log_var, dict(sorted(failures.items()))
