"""Latents pooled over tokens: fewer numbers, for fits of properties.

A token latent has L numbers for each of T tokens, then six for the lattice.
Pooled, it is the mean, standard deviation, minimum and maximum over the tokens
of each of the L, and the six: 4 L + 6 numbers (66 for mp_20). They cannot be
decoded. Gradient boosting and other nonlinear fits are better on them than on
the whole latent.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def pool_tokens(
  z: Float[np.ndarray, 'B D'], tokens: int
) -> Float[np.ndarray, 'B P']:
  """Pooled latents.

  Args:
    z: Flat latents: T tokens of L numbers, then numbers of no token.
    tokens: Number of tokens, T.

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
