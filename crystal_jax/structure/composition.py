"""Compositions: the arguments composition=, num_atoms= and formula_units=.

A composition is a ratio: 'Li2Co2O4' is LiCoO2. The number of atoms or of
formula units of the primitive cell sets its size.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import ase.data
import ase.formula
import numpy as np
from jaxtyping import ArrayLike, Int

from crystal_jax.structure import elements

# Grams per cm³ of one atomic mass unit per Å³.
_GRAMS_PER_CM3 = 1.66053907
# A formula as 'LiFePO4', or numbers of atoms by symbol or atomic number.
Composition = str | Mapping[Any, int]


@dataclasses.dataclass(frozen=True)
class Contents:
  """Required contents of a primitive cell.

  Attributes:
    unit: (atomic number, count) of each element of one formula unit, in
      ascending order; None: any elements.
    units: Number of formula units in the cell, or of atoms if there is no
      formula; None: any number.
  """

  unit: tuple[tuple[int, int], ...] | None
  units: int | None

  @property
  def unit_size(self) -> int:
    """Number of atoms of a formula unit; 1 without a formula."""
    return sum(count for _, count in self.unit) if self.unit else 1

  @property
  def counts(self) -> dict[int, int]:
    """Atoms of each element of the cell, by atomic number.

    Raises:
      ValueError: If the formula or the number of formula units is not given.
    """
    if self.unit is None or self.units is None:
      raise ValueError(f'{self} do not fix the atoms of a cell.')
    return {number: self.units * count for number, count in self.unit}

  def numbers(self, units: int) -> Int[np.ndarray, 'N']:
    """Atomic numbers of the given number of formula units."""
    if self.unit is None:
      raise ValueError('Contents without a formula have no elements.')
    symbols, counts = zip(*self.unit, strict=True)
    return np.repeat(symbols, units * np.asarray(counts)).astype(np.int32)


def contents(
  composition: Composition | None = None,
  num_atoms: int | None = None,
  formula_units: int | None = None,
) -> Contents:
  """Required contents of a cell, from the arguments of users.

  Args:
    composition: Formula, read as a ratio; None: any.
    num_atoms: Number of atoms of the primitive cell; None: any number.
    formula_units: Number of reduced formula units of the primitive cell.

  Raises:
    ValueError: If the formula is malformed, or the arguments contradict each
      other.
  """
  unit = None if composition is None else reduced(composition)
  for name, value in ('num_atoms', num_atoms), ('formula_units', formula_units):
    if value is not None and value < 1:
      raise ValueError(f'Need {name}={value} to be at least 1.')
  if unit is None:
    if formula_units is not None:
      raise ValueError(f'{formula_units=} needs a composition.')
    return Contents(None, num_atoms)
  size = sum(count for _, count in unit)
  if num_atoms is None:
    return Contents(unit, formula_units)
  if num_atoms % size:
    raise ValueError(
      f'{num_atoms=} is not a multiple of the {size} atoms of '
      f'{formula(unit)}; choose {size * max(1, num_atoms // size)} or '
      f'{size * (num_atoms // size + 1)}.'
    )
  if formula_units is not None and formula_units * size != num_atoms:
    raise ValueError(
      f'{formula_units=} of {formula(unit)} are {formula_units * size} atoms, '
      f'which contradicts {num_atoms=}; give one of the two.'
    )
  return Contents(unit, num_atoms // size)


def contents_of(
  composition: Composition | Sequence[Composition | None] | None,
  num_atoms: int | Sequence[int | None] | None,
  number: int,
) -> list[Contents] | None:
  """Required contents of several cells; None if nothing is required.

  Args:
    composition: One composition for all cells, or a list with one for each;
      None: any.
    num_atoms: One number of atoms for all cells, or a list with one for each;
      None: any.
    number: Number of cells.

  Raises:
    ValueError: If a list does not have that length, or as `contents`.
  """
  if composition is None and num_atoms is None:
    return None

  def each(name, value):
    if value is None or isinstance(value, str | Mapping) or np.ndim(value) == 0:
      return [value] * number
    if len(value) != number:
      raise ValueError(f'{len(value)} of {name}= for {number} latents.')
    return list(value)

  pairs = each('composition', composition), each('num_atoms', num_atoms)
  return [contents(*pair) for pair in zip(*pairs, strict=True)]


def reduced(composition: Composition) -> tuple[tuple[int, int], ...]:
  """(atomic number, count) of each element of the reduced formula unit.

  Raises:
    ValueError: If it is not a formula of whole numbers of known elements.
  """
  counts = _counts(composition)
  divisor = math.gcd(*counts.values())
  return tuple(sorted((z, count // divisor) for z, count in counts.items()))


def unit_of(numbers: ArrayLike) -> tuple[tuple[int, int], ...]:
  """The reduced formula unit of the atoms of a cell."""
  symbols, counts = np.unique(np.asarray(numbers), return_counts=True)
  divisor = np.gcd.reduce(counts)
  pairs = zip(symbols.tolist(), (counts // divisor).tolist(), strict=True)
  return tuple(pairs)


def formula(unit: Sequence[tuple[int, int]]) -> str:
  """A formula unit as text, metals first, such as 'LiCoO2'."""
  text = ''.join(f'{elements.symbol(z)}{count}' for z, count in unit)
  return ase.formula.Formula(text).format('metal')


def mass_density(numbers: ArrayLike, volume: float) -> float:
  """Mass density of the atoms of a cell, g/cm³.

  Args:
    numbers: Atomic numbers.
    volume: Volume of the cell, Å³.
  """
  mass = float(ase.data.atomic_masses[np.asarray(numbers)].sum())
  return mass / volume * _GRAMS_PER_CM3


def _counts(composition) -> dict[int, int]:
  """Counts by atomic number, all at least 1."""
  if isinstance(composition, Mapping):
    given = dict(composition)
  else:
    try:
      given = ase.formula.Formula(str(composition).strip()).count()
    except (ValueError, KeyError) as error:
      raise ValueError(
        f'{composition=} is not a formula of whole numbers, such as LiFePO4.'
      ) from error
  counts: dict[int, int] = {}
  for key, count in given.items():
    try:
      number = elements.number(key) if isinstance(key, str) else int(key)
    except ValueError as error:
      raise ValueError(f'{composition=}: {error}.') from error
    if count != int(count) or count < 0:
      raise ValueError(
        f'{composition=}: need whole numbers of atoms, not {count}.'
      )
    if not 1 <= number <= elements.MAX_NUMBER:
      raise ValueError(
        f'{composition=}: no element {key} up to '
        f'{elements.symbol(elements.MAX_NUMBER)}, the last one here.'
      )
    if count:  # D and H are one element.
      counts[number] = counts.get(number, 0) + int(count)
  if not counts:
    raise ValueError(f'{composition=} holds no atoms.')
  return counts
