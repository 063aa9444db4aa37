"""Criteria of a draw, checked and resolved once."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import PyTree

from crystal_jax.generation.compositions import Choice
from crystal_jax.generation.conditions import Conditions
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.structure import composition as composition_lib
from crystal_jax.structure import crystal_systems
from crystal_jax.structure import elements as elements_lib


@dataclasses.dataclass(frozen=True)
class Criteria:
  """Criteria of all draws, as given; None: any. See `Codec.sample`."""

  composition: composition_lib.Composition | None = None
  num_atoms: int | None = None
  formula_units: int | None = None
  elements: Collection[str] | None = None
  exclude_elements: Collection[str] | None = None
  space_group: int | None = None
  crystal_system: str | None = None
  properties: Mapping[str, float] | None = None
  experimental: bool | None = None


@dataclasses.dataclass(frozen=True)
class Request:
  """Criteria of all draws, checked and resolved.

  Attributes:
    choice: Compositions that may be sampled.
    space_group: 1 to 230; 0: any.
    system: Crystal system, 1 to 7; 0: any.
    given: All conditions except the composition, one row.
  """

  choice: Choice
  space_group: int
  system: int
  given: Conditions


def resolve(
  networks: PriorNetworks,
  params: PyTree,
  known: frozenset[int],
  criteria: Criteria,
) -> Request:
  """A request that a prior can meet.

  Args:
    networks: Networks of the prior.
    params: Parameters of the prior.
    known: Atomic numbers that the codec knows.
    criteria: Criteria of all draws.

  Raises:
    ValueError: If an element, property or symmetry is unknown to the codec or
      prior, or two criteria contradict each other.
  """
  wanted = _numbers(criteria.elements)
  unwanted = _numbers(criteria.exclude_elements)
  contents = composition_lib.contents(
    criteria.composition, criteria.num_atoms, criteria.formula_units
  )
  _check_elements(contents, wanted, unwanted, known)
  _check_size(contents, wanted, networks.max_atoms)
  group, system = _symmetry(criteria.space_group, criteria.crystal_system)
  values = _properties(networks, params, criteria.properties or {})
  experimental = (
    np.nan if criteria.experimental is None else float(criteria.experimental)
  )
  given = Conditions(
    counts=np.zeros((1, elements_lib.MAX_NUMBER), np.float32),
    space_group=np.full(1, group, np.int32),
    system=np.full(1, system, np.int32),
    experimental=np.full(1, experimental, np.float32),
    properties=values[None],
  )
  choice = Choice(contents, frozenset(known - (unwanted or set())), wanted)
  return Request(choice, group, system, given)


def known_numbers(symbols: Collection[str] | None) -> frozenset[int]:
  """Atomic numbers of the elements of a codec's card; all if it has none."""
  if symbols is None:
    return frozenset(range(1, elements_lib.MAX_NUMBER + 1))
  return frozenset(elements_lib.number(symbol) for symbol in symbols)


def _numbers(symbols) -> frozenset[int] | None:
  """Atomic numbers of elements that a user names."""
  if symbols is None:
    return None
  if isinstance(symbols, str):
    raise ValueError(
      f"Need elements as a set, such as {{'Li', 'O'}}, not {symbols!r}."
    )
  return frozenset(elements_lib.number(symbol) for symbol in symbols)


def _check_elements(contents, wanted, unwanted, known) -> None:
  if wanted is not None and not wanted:
    raise ValueError('Need at least one element in elements=.')
  required = {z for z, _ in contents.unit or ()} or wanted or frozenset()
  unknown = required - known
  if unknown:
    raise ValueError(f'{_symbols(unknown)} was never seen in training.')
  if unwanted and required & unwanted:
    raise ValueError(
      f'{_symbols(required & unwanted)} is both required and in '
      'exclude_elements=.'
    )
  if contents.unit and wanted is not None and required != wanted:
    raise ValueError(
      f'composition= has {_symbols(required)} and elements= has '
      f'{_symbols(wanted)}; give one of the two.'
    )


def _check_size(contents, wanted, max_atoms) -> None:
  min_atoms = contents.unit_size * (contents.units or 1)
  if wanted is not None and contents.unit is None:
    min_atoms = max(min_atoms, len(wanted))
    if contents.units is not None and contents.units < len(wanted):
      raise ValueError(
        f'num_atoms={contents.units} cannot be of {len(wanted)} elements.'
      )
  if min_atoms > max_atoms:
    raise ValueError(
      f'{min_atoms} atoms in a primitive cell, more than the {max_atoms} that '
      'this codec can hold.'
    )


def _symmetry(space_group, crystal_system) -> tuple[int, int]:
  """Space group and crystal system as in `Request`."""
  system = 0
  if crystal_system is not None:
    system = crystal_systems.crystal_system_index(crystal_system) + 1
  if space_group is None:
    return 0, system
  name = crystal_systems.crystal_system(space_group)
  if crystal_system is not None and crystal_system != name:
    raise ValueError(f'{space_group=} is {name}, not {crystal_system=}.')
  return space_group, crystal_systems.crystal_system_index(name) + 1


def _properties(networks, params, properties):
  """Standardized values; NaN for properties that are not given."""
  unknown = sorted(set(properties) - set(networks.properties))
  if unknown:
    names = ', '.join(networks.properties) or 'none'
    raise ValueError(
      f'This prior knows no property {", ".join(unknown)}; it knows: {names}.'
    )
  values = np.full(len(networks.properties), np.nan, np.float32)
  for i, name in enumerate(networks.properties):
    if name in properties:
      statistics = params['statistics']['properties']
      mean, scale = (statistics[k][i] for k in ('mean', 'deviation'))
      values[i] = (float(properties[name]) - mean) / scale
      if not np.isfinite(values[i]):
        raise ValueError(f'properties[{name!r}] is not finite.')
  return values


def _symbols(numbers) -> str:
  return ', '.join(elements_lib.symbol(z) for z in sorted(numbers))
