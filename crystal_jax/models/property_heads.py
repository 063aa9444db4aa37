"""Linear heads that predict properties of a crystal from its latent.

They are trained together with the autoencoder. A property with a head varies
linearly over the latent, so that ridge regression, distances and straight paths
in the latent reflect it. Heads add no numbers to the latent; all numbers are
decoded.

A property is one of `COMPUTED`, which follows from the crystal, or the name of
a scalar column of the data set. Scalars are standardised on the training set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.structure.crystal_systems import (
  CRYSTAL_SYSTEMS,
  NUM_SPACE_GROUPS,
  SYSTEM_BOUNDS,
)
from crystal_jax.structure.elements import MAX_NUMBER

# The scalar column that gives the crystal system.
SPACE_GROUP = 'spacegroup_number'


class Kind(NamedTuple):
  """Kind of property that a head predicts.

  Attributes:
    name: 'scalar', 'log' (a positive scalar, whose logarithm is predicted),
      'distribution' or 'class'.
    width: Outputs of the head.
    units: Unit of the value that is returned.
  """

  name: str
  width: int
  units: str


# Properties that need no column; the crystal system needs `SPACE_GROUP`.
COMPUTED = {
  'element_fractions': Kind('distribution', MAX_NUMBER, '1'),
  'crystal_system': Kind('class', len(CRYSTAL_SYSTEMS), '1'),
  'num_atoms': Kind('scalar', 1, 'atoms of the primitive cell'),
  'volume_per_atom': Kind('log', 1, 'Å³/atom'),
}
_SCALAR = Kind('scalar', 1, '')
# Units of well-known columns.
UNITS = {
  'formation_energy_per_atom': 'eV/atom',
  'e_above_hull': 'eV/atom',
  'energy_per_atom': 'eV/atom',
  'heat_all': 'eV',
  'heat_ref': 'eV',
  'band_gap': 'eV',
  'dir_gap': 'eV',
  'ind_gap': 'eV',
}


def kind_of(name: str) -> Kind:
  """The kind of a property."""
  return COMPUTED.get(name, _SCALAR._replace(units=UNITS.get(name, '')))


def columns_of(names: tuple[str, ...]) -> tuple[str, ...]:
  """Scalar columns of the data set that these properties need."""
  columns = [name for name in names if name not in COMPUTED]
  return (*columns, *[SPACE_GROUP] * ('crystal_system' in names))


@dataclasses.dataclass(frozen=True)
class PropertyHeads:
  """Linear heads of a latent. Static.

  Parameters are, by property, `kernel` [D, K] and `bias` [K]; for scalars also
  `mean` and `std` [], which are not learnt.

  Attributes:
    names: Names of the properties.
  """

  names: tuple[str, ...]

  def init(
    self, size: int, arrays: Mapping[str, np.ndarray] | None = None
  ) -> dict[str, PyTree]:
    """Parameters with zero kernels, which predict the mean.

    Args:
      size: Length of a latent, D.
      arrays: Prepared training set, on which scalars are standardised; None:
        mean 0 and standard deviation 1.
    """
    params = {}
    for name in self.names:
      kind = kind_of(name)
      head = {
        'kernel': jnp.zeros((size, kind.width)),
        'bias': jnp.zeros(kind.width),
      }
      if kind.name in ('scalar', 'log'):
        mean, std = _statistics(name, arrays)
        head |= {'mean': jnp.float32(mean), 'std': jnp.float32(std)}
      params[name] = head
    return params

  def outputs(
    self, params: PyTree, z: Float[Array, 'B D']
  ) -> dict[str, Float[Array, 'B K']]:
    """Logits of classes and distributions, standardised scalars, by property.

    Args:
      params: Parameters, as returned by `init`.
      z: Flat latents.
    """
    return {
      name: z @ params[name]['kernel'] + params[name]['bias'][None]
      for name in self.names
    }

  def targets(
    self, params: PyTree, batch: Mapping[str, Array]
  ) -> dict[str, Float[Array, 'B K']]:
    """Targets of `outputs`: shares of classes, standardised scalars.

    Args:
      params: Parameters, as returned by `init`; for the statistics.
      batch: Prepared crystals and `columns_of` the names. NaN is passed on.
    """
    targets = {}
    for name in self.names:
      value, kind = _value(name, batch), kind_of(name)
      if kind.name in ('scalar', 'log'):
        value = jnp.log(value) if kind.name == 'log' else value
        value = (value - params[name]['mean']) / params[name]['std']
        value = value[:, None]
      targets[name] = jax.lax.stop_gradient(value)
    return targets

  def read(
    self,
    params: PyTree,
    z: Float[Array, 'B D'],
    std: Float[Array, 'B D'] | None = None,
  ) -> dict[str, tuple[Array, Array | None]]:
    """Values in their units, and their uncertainty by the posterior.

    Args:
      params: Parameters, as returned by `init`.
      z: Flat latents.
      std: Standard deviations of the posterior; None: no uncertainties.

    Returns:
      For scalars, the value [B] and its standard deviation [B] under the
      posterior, to first order, or None. For classes and distributions, the
      shares [B, K] and None.
    """
    found: dict[str, tuple[Array, Array | None]] = {}
    for name, output in self.outputs(params, z).items():
      head, kind = params[name], kind_of(name)
      if kind.name in ('distribution', 'class'):
        found[name] = jax.nn.softmax(output), None
        continue
      value = output[:, 0] * head['std'] + head['mean']
      if kind.name == 'log':
        value = jnp.exp(value)
      spread: Array | None = None
      if std is not None:
        variance = jnp.square(std) @ jnp.square(head['kernel'][:, 0])
        scale = head['std'] * (value if kind.name == 'log' else 1.0)
        spread = jnp.sqrt(variance) * scale
      found[name] = value, spread
    return found


def _value(name: str, batch: Mapping[str, Array]) -> Array:
  """A property of prepared crystals, from their atoms or columns."""
  numbers = batch['numbers']
  count = (numbers > 0).sum(1)
  if name == 'num_atoms':
    return count.astype(jnp.float32)
  if name == 'volume_per_atom':
    volume = jnp.abs(jnp.linalg.det(batch['cell'].astype(jnp.float32)))
    return volume / jnp.maximum(count, 1)
  if name == 'element_fractions':
    atoms = jax.nn.one_hot(numbers - 1, MAX_NUMBER).sum(1)
    return atoms / jnp.maximum(count, 1)[:, None]
  if name == 'crystal_system':
    group = batch[SPACE_GROUP].astype(jnp.float32)
    bounds = jnp.asarray(SYSTEM_BOUNDS[1:-1])
    system = (group[:, None] > bounds[None]).sum(1)
    shares = jax.nn.one_hot(system, len(CRYSTAL_SYSTEMS))
    known = (group >= 1) & (group <= NUM_SPACE_GROUPS)
    return jnp.where(known[:, None], shares, jnp.nan)
  return batch[name].astype(jnp.float32)


def _statistics(
  name: str, arrays: Mapping[str, np.ndarray] | None
) -> tuple[float, float]:
  """Mean and standard deviation of a scalar property, or of its logarithm."""
  if arrays is None:
    return 0.0, 1.0
  needed = ('numbers', 'cell', *columns_of((name,)))
  with jax.ensure_compile_time_eval():  # `init` may be traced.
    rows = {key: jnp.asarray(arrays[key]) for key in needed}
    values = np.asarray(_value(name, rows), np.float64)
  values = np.log(values) if kind_of(name).name == 'log' else values
  values = values[np.isfinite(values)]
  if not values.size:
    raise ValueError(f'No crystal of the training set has a {name!r}.')
  return float(values.mean()), float(max(values.std(), 1e-6))
