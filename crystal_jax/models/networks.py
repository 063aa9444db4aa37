"""Protocols of networks: `Predictor` for training, `Networks` for a codec.

To add networks of a codec: a file beside `box_networks.py`, and a maker in
`codec.model.MAKERS`.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import flax.linen as nn
import numpy as np
from jaxtyping import Array, Float, PyTree


class Predictor(Protocol):
  """Networks; parameters are passed to every call."""

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters of each network, by name.

    Args:
      key: PRNG key.
      arrays: The prepared training set, for statistics among the parameters;
        None: defaults.
    """

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """Outputs of a batch, by name, [B, ..] each.

    Args:
      params: Parameters, as returned by `init`.
      inputs: `Examples.inputs` of a representation.
    """


@runtime_checkable
class Networks(Predictor, Protocol):
  """An encoder and a decoder; `predict` decodes the posterior's mean."""

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent."""

  def encode(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> tuple[Float[Array, 'B *L'], Float[Array, 'B *L']]:
    """Mean and log variance of each example's posterior."""

  def decode(self, params: PyTree, z: Float[Array, 'B *L']) -> dict[str, Array]:
    """Outputs of latents, by name, [B, ..] each."""


def apply(
  module: nn.Module, params: PyTree, *args: Any, method: Any = None
) -> Any:
  """`module.apply`; flax's return type also includes updated variables."""
  return module.apply(params, *args, method=method)
