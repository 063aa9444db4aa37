"""What the networks of any representation have to do.

`encode` takes what a representation shows to a latent, `decode` takes a latent
to what it reads a crystal from, and `predict` is one after the other. To add a
network: a file beside `box_networks.py`, and a maker in `codec.model.MAKERS`.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from jaxtyping import Array, Float, PyTree


class Networks(Protocol):
  """Networks without their parameters, which every call takes."""

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent."""

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters of each network, by its name.

    Args:
      key: Of what is drawn.
      arrays: The prepared training set, of which a network may keep statistics
        beside what it learns; None: it does without.
    """

  def encode(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B *L'], Float[Array, 'B *L']]:
    """Mean and logarithm of the variance of the latent of each example.

    Args:
      params: What `init` returns.
      inputs: `Examples.inputs` of a representation.
    """

  def decode(self, params: PyTree, z: Float[Array, 'B *L']) -> dict[str, Array]:
    """What latents stand for, by name, [B, ..] each."""

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """What `decode` makes of the mean that `encode` gives."""
