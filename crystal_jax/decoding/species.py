"""Which element: the fitted weight, and a network's vote where there is one."""

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.density.labels import LABEL_RADIUS
from crystal_jax.structure.elements import MAX_NUMBER


def vote(space, positions, weights, doubt, logits):
  """Atomic numbers [K], 1 to 94.

  The weight says Z with a standard deviation of `doubt` and a little more;
  the logits' log-probabilities, averaged around the atom, add to that.

  Args:
    space: Where the logits are.
    positions: [K, 3], Å.
    weights: [K].
    doubt: Standard deviation of a weight, from what the fit left over.
    logits: [G, G, G, classes] or None; class 0 is the background.
  """
  if logits is None:
    numbers = jnp.round(weights).astype(jnp.int32)
    return jnp.clip(numbers, 1, MAX_NUMBER)
  z = jnp.arange(1, logits.shape[-1], dtype=weights.dtype)
  # A density that fits to the last digit outvotes a network that is unsure. By
  # hand.
  spread = 0.2 + 2 * doubt + 0.02 * weights
  score = -0.5 * ((z[None] - weights[:, None]) / spread[:, None]) ** 2
  score = score + _votes(space, positions, logits)
  return jnp.argmax(score, axis=-1).astype(jnp.int32) + 1


def _votes(space, positions, logits):
  """Mean log-probability of each element around each atom, [K, classes-1]."""
  steps = np.array([(0, 0, 0), *np.eye(3), *-np.eye(3)]) * (0.6 * LABEL_RADIUS)
  total = 0.0
  for step in steps:
    place = positions + jnp.asarray(step, positions.dtype)[None]
    index = space.voxel(place)
    near = logits[tuple(index.T)][:, 1:].astype(positions.dtype)
    total = total + jax.nn.log_softmax(near, axis=-1)
  return total / len(steps)
