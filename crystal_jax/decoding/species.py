"""Species of atoms from fitted weights and, if given, a network's logits."""

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.density.labels import LABEL_RADIUS
from crystal_jax.structure.elements import MAX_NUMBER


def most_likely(space, positions, weights, weight_error, logits):
  """Atomic numbers [K], 1 to 94.

  The log-likelihood of a weight, a normal distribution around Z, is added to
  the log-probabilities of the logits, averaged around the atom.

  Args:
    space: Space of the logits' grid.
    positions: Positions, Å, [K, 3].
    weights: Fitted weights, [K].
    weight_error: Standard deviation of a weight, from the residual of the fit.
    logits: Logits of species, [G, G, G, classes], or None; class 0 is the
      background.
  """
  if logits is None:
    numbers = jnp.round(weights).astype(jnp.int32)
    return jnp.clip(numbers, 1, MAX_NUMBER)
  z = jnp.arange(1, logits.shape[-1], dtype=weights.dtype)
  # An exactly fitted density outweighs an uncertain network. Chosen by hand.
  spread = 0.2 + 2 * weight_error + 0.02 * weights
  score = -0.5 * ((z[None] - weights[:, None]) / spread[:, None]) ** 2
  score = score + _mean_log_probabilities(space, positions, logits)
  return jnp.argmax(score, axis=-1).astype(jnp.int32) + 1


def _mean_log_probabilities(space, positions, logits):
  """Mean log-probability of each element around each atom, [K, classes-1]."""
  steps = np.array([(0, 0, 0), *np.eye(3), *-np.eye(3)]) * (0.6 * LABEL_RADIUS)
  total = 0.0
  for step in steps:
    near = positions + jnp.asarray(step, positions.dtype)[None]
    index = space.voxel(near)
    classes = logits[tuple(index.T)][:, 1:].astype(positions.dtype)
    total = total + jax.nn.log_softmax(classes, axis=-1)
  return total / len(steps)
