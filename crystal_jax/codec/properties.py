"""Properties predicted from latents: heads of a codec and of its user."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.models.property_heads import (
  PropertyHeads,
  kind_of,
)
from crystal_jax.properties.fitting import Report
from crystal_jax.properties.ridge import Ridge
from crystal_jax.structure.crystal_systems import CRYSTAL_SYSTEMS

Table = dict[str, Float[np.ndarray, 'B']]


class LinearHead(NamedTuple):
  """A scalar head as a linear map of the latent.

  Attributes:
    kernel: Change of the property by the latent, in its units, [D].
    std: Scale of the property: its standard deviation in training.
    is_log: Whether it is the property's logarithm that is linear.
  """

  kernel: Float[np.ndarray, 'D']
  std: float
  is_log: bool


def heads_of(model: Model) -> PropertyHeads:
  """The heads that a model was trained with; maybe none."""
  return getattr(model.networks, 'heads', PropertyHeads(()))


def describe(
  model: Model, card: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
  """Units and what else is known of each property, by name.

  The crystal system is an index into `CRYSTAL_SYSTEMS`.
  """
  noted = card.get('properties', {})
  found = {}
  for name in heads_of(model).names:
    if name != 'element_fractions':  # `decode` gives the composition itself.
      units = kind_of(name).units
      if name == 'crystal_system':
        units = 'index of ' + ', '.join(CRYSTAL_SYSTEMS)
      found[name] = {'units': units, **noted.get(name, {})}
  return found | dict(card.get('fitted_properties', {}))


def predict(
  model: Model,
  params: PyTree,
  fitted: Mapping[str, Mapping[str, np.ndarray]],
  z: Float[np.ndarray, 'B D'],
  std: Float[np.ndarray, 'B D'] | None,
) -> Table:
  """Properties of latents; see `Codec.predict`."""
  table: Table = {}
  heads = heads_of(model)
  if heads.names:
    spread = None if std is None else jnp.asarray(std)
    read = heads.read(params['properties'], jnp.asarray(z), spread)
    for name, (value, deviation) in read.items():
      if name == 'element_fractions':
        continue
      found = np.asarray(value)
      if found.ndim == 2:
        table[f'{name}_probability'] = found.max(1)
        found = np.where(np.isfinite(found[:, 0]), found.argmax(1), np.nan)
      table[name] = found.astype(np.float32)
      if deviation is not None:
        table[f'{name}_std'] = np.asarray(deviation)
  for name, head in fitted.items():
    kernel = np.asarray(head['kernel'], np.float64)[:, 0]
    table[name] = (z @ kernel + float(head['bias'][0])).astype(np.float32)
    if std is not None:
      deviations = np.sqrt(np.square(std) @ np.square(kernel))
      table[f'{name}_std'] = deviations.astype(np.float32)
  return table


def linear_head(
  model: Model,
  params: PyTree,
  fitted: Mapping[str, Mapping[str, np.ndarray]],
  name: str,
) -> LinearHead:
  """The head of a scalar property.

  Raises:
    KeyError: If there is none.
  """
  if name in fitted:
    kernel = np.asarray(fitted[name]['kernel'], np.float64)[:, 0]
    return LinearHead(kernel, float(fitted[name]['std']), False)
  names = heads_of(model).names
  scalars = [n for n in names if kind_of(n).name in ('scalar', 'log')]
  if name not in scalars:
    raise KeyError(
      f'No head of a scalar {name!r}; there are {[*scalars, *fitted]}. '
      'Codec.fit_head makes one.'
    )
  head = params['properties'][name]
  std = float(head['std'])
  kernel = np.asarray(head['kernel'], np.float64)[:, 0] * std
  return LinearHead(kernel, std, kind_of(name).name == 'log')


def fitted_entry(
  head: Ridge, values: Float[np.ndarray, 'B'], report: Report, units: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """A fitted head as arrays of the weights' file, and its entry of the card."""
  arrays: dict[str, np.ndarray] = {
    'kernel': head.kernel.astype(np.float32),
    'bias': head.bias.astype(np.float32),
    'std': np.asarray(max(float(np.std(values)), 1e-9), np.float32),
  }
  entry: dict[str, Any] = {
    'units': units,
    'fitted_on': report.crystals,
    'held_out_by': report.held_out_by,
    'heldout': dataclasses.asdict(report.latent),
    'baselines': {
      name: dataclasses.asdict(score)
      for name, score in report.baselines.items()
    },
  }
  return arrays, entry


def known_rows(
  values: Sequence[float], z: Float[np.ndarray, 'B D']
) -> np.ndarray:
  """Whether each row has both a value and a latent.

  Raises:
    ValueError: If there are not as many values as latents.
  """
  value = np.asarray(values, np.float64)
  if value.shape != (len(z),):
    raise ValueError(
      f'Need one value per crystal: {value.shape} for {len(z)} crystals.'
    )
  return np.isfinite(value) & np.isfinite(z).all(1)
