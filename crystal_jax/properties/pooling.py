"""Latents pooled over tokens: fewer numbers, which read properties well.

A token latent holds L numbers of each of T tokens, then six of the lattice.
Pooled, it is the mean, standard deviation, least and greatest of each of the L
over the tokens, and the six: 4 L + 6 numbers (66 of mp_20). They cannot be
decoded. Boosting and other nonlinear fits do better on them than on all.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def pool_tokens(
  z: Float[np.ndarray, 'B D'], tokens: int
) -> Float[np.ndarray, 'B P']:
  """Pooled latents.

  Args:
    z: Flat latents: T tokens of L numbers, then what does not belong to one.
    tokens: T.

  Raises:
    ValueError: If a latent is shorter than its tokens.
  """
  z = np.asarray(z)
  length = z.shape[1] // tokens
  if not length:
    raise ValueError(f'No {tokens} tokens in latents of {z.shape[1]} numbers.')
  parts = z[:, : tokens * length].reshape(len(z), tokens, length)
  rest = z[:, tokens * length :]
  return np.concatenate(
    [parts.mean(1), parts.std(1), parts.min(1), parts.max(1), rest], axis=1
  )
