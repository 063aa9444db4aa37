"""Networks of the prior: rectified flow of a codec's latents with conditions.

Along a straight line from noise (time 0) to data (time 1), a network learns the
velocity E[data - noise | x, time, conditions] at the latent x
(arXiv:2209.03003). A second, small network models compositions.

`PriorNetworks` is static; its parameters are

- flow: those of `Velocity`;
- composition: those of `CompositionNet`;
- statistics: mean and deviation of each latent number, over samples of the
  posteriors, and of each property; not learnt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.networks import CompositionNet, Velocity
from crystal_jax.models.standardization import Standardization
from crystal_jax.structure import elements


@dataclasses.dataclass(frozen=True)
class PriorNetworks:
  """Velocity and compositions; see `Predictor`. Static.

  Attributes:
    latent_size: Length D of a latent.
    max_atoms: Maximum number of atoms of a cell.
    properties: Names of the properties that may be conditions.
    width: See `Velocity`.
    blocks: See `Velocity`.
    factor: See `Velocity`.
    condition_width: See `Velocity`.
    composition_width: See `CompositionNet`.
    operands: See `Velocity`; used in training, sampling is in float32.
  """

  latent_size: int
  max_atoms: int
  properties: tuple[str, ...] = ()
  width: int = 768
  blocks: int = 6
  factor: int = 2
  condition_width: int = 256
  composition_width: int = 256
  operands: str = 'float32'

  def init(
    self, key: Array, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Fresh parameters; see `Predictor.init`."""
    flow_key, composition_key = jax.random.split(key)
    given = conditions_lib.unconditional(1, len(self.properties))
    features = conditions_lib.features(given, self.max_atoms)
    other_features = conditions_lib.other_features(given)
    x, time = jnp.zeros((1, self.latent_size)), jnp.zeros(1)
    one = jnp.ones(1, jnp.int32)
    before = jnp.zeros((1, elements.MAX_NUMBER))
    return {
      'flow': self._velocity().init(flow_key, x, time, features),
      'composition': self._compositions().init(
        composition_key, before, one, one, other_features
      ),
      'statistics': self._statistics(arrays),
    }

  def velocity(
    self,
    params: PyTree,
    x: Float[Array, 'B D'],
    time: Float[Array, 'B'],
    given: Conditions,
    *,
    training: bool = False,
  ) -> Float[Array, 'B D']:
    """Velocities of standardized latents.

    Args:
      params: Parameters, as returned by `init`.
      x: Standardized latents.
      time: Time of each latent, in [0, 1].
      given: The conditions.
      training: Whether to use `operands`; False: float32.
    """
    operands = self.operands if training else 'float32'
    features = conditions_lib.features(given, self.max_atoms)
    velocity: Any = self._velocity(operands)
    return velocity.apply(params['flow'], x, time, features)

  def composition_logits(
    self,
    params: PyTree,
    before: Float[Array, 'B E'],
    total: Int[Array, 'B'],
    element: Int[Array, 'B'],
    given: Conditions,
  ) -> tuple[Float[Array, 'B N'], Float[Array, 'B E'], Float[Array, 'B N']]:
    """Logits of a step of a composition; see `CompositionNet`."""
    other_features = conditions_lib.other_features(given)
    composition: Any = self._compositions()
    return composition.apply(
      params['composition'], before, total, element, other_features
    )

  def predict(
    self, params: PyTree, inputs: Mapping[str, Array]
  ) -> dict[str, Array]:
    """Velocities at half time without conditions; see `Predictor.predict`."""
    x = self.latent_statistics(params).apply(inputs['latent'])
    given = conditions_lib.unconditional(len(x), len(self.properties))
    time = jnp.full(len(x), 0.5)
    return {'velocity': self.velocity(params, x, time, given)}

  def latent_statistics(self, params: PyTree) -> Standardization:
    """Mean and deviation of each number of a latent."""
    return Standardization.of(params['statistics']['latent'])

  def standardized_properties(
    self, params: PyTree, columns: Mapping[str, Array | np.ndarray], count: int
  ) -> Float[Array, 'B P']:
    """Properties of a batch, mean 0 and variance 1; NaN where missing."""
    if not self.properties:
      return jnp.zeros((count, 0))
    unknown = jnp.full(count, jnp.nan)
    values = [columns.get(name, unknown) for name in self.properties]
    statistics = Standardization.of(params['statistics']['properties'])
    return statistics.apply(jnp.stack(values, axis=-1))

  def _statistics(self, arrays) -> dict[str, PyTree]:
    if arrays is None:
      latent = Standardization.identity(self.latent_size)
      properties = Standardization.identity(len(self.properties))
    else:
      latent = Standardization.fit(arrays['latent'], arrays['latent_deviation'])
      columns = [np.asarray(arrays[name]) for name in self.properties]
      values = np.stack([*columns, np.zeros(len(arrays['latent']))], axis=-1)
      properties = Standardization.fit(values)
      properties = Standardization(*(x[:-1] for x in properties))
    found = {'latent': latent._asdict()}
    if self.properties:
      found['properties'] = properties._asdict()
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), found)

  def _velocity(self, operands: str = 'float32') -> Velocity:
    return Velocity(
      width=self.width,
      blocks=self.blocks,
      factor=self.factor,
      condition_width=self.condition_width,
      operands=operands,
    )

  def _compositions(self) -> CompositionNet:
    return CompositionNet(self.max_atoms, self.composition_width)
