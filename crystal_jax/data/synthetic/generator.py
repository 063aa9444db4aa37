"""Synthetic supercells: disordered variants of known crystals.

A crystal becomes a supercell grown along its shortest vectors; sites are
exchanged for elements of the same group, sites are removed, and the cell and
the atoms are distorted. Unrelaxed: the structures are geometry to train on, not
predictions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax.io.reading.parse import reduced_formula
from crystal_jax.structure import contacts, elements, lattice

Record = dict[str, Any]

# Number of consecutive failures after which the source is given up.
_MAX_FAILURES = 1_000


@dataclasses.dataclass(frozen=True)
class SupercellConfig:
  """How supercells are made. Not tuned; see the data set's README.

  Attributes:
    max_source_atoms: Maximum number of atoms of a source crystal.
    min_atoms: Minimum number of atoms of a supercell, before sites are removed.
    max_atoms: Maximum number of atoms of a supercell.
    exchanged: Shares of exchanged sites, of which one is chosen at random.
    vacancy_probability: Share of supercells with vacancies.
    vacancies: Shares of removed sites, of which one is chosen at random; at
      least one site is removed.
    strain: Standard deviation of the components of the strain.
    displacements: Standard deviations of an atom's coordinates, Å, of which one
      is chosen at random.
    min_distance: Smallest distance between two atoms, as a share of the
      smallest in the source crystal.
  """

  max_source_atoms: int = 32
  min_atoms: int = 21
  max_atoms: int = 96
  exchanged: tuple[float, ...] = (0.0, 0.05, 0.2, 0.5)
  vacancy_probability: float = 0.4
  vacancies: tuple[float, ...] = (0.02, 0.1)
  strain: float = 0.02
  displacements: tuple[float, ...] = (0.02, 0.06, 0.15)
  min_distance: float = 0.7


def supercells(
  rows: Sequence[Mapping[str, Any]],
  count: int,
  seed: int,
  *,
  config: SupercellConfig = SupercellConfig(),  # noqa: B008
  accept: Callable[[str], bool] = lambda formula: True,
) -> Iterator[Record]:
  """Supercells of randomly chosen crystals.

  Args:
    rows: Records of the source: numbers [N], positions [N, 3] and cell [3, 3]
      in Å, id.
    count: Number of supercells.
    seed: Seed of all random choices.
    config: How they are made.
    accept: Function that returns whether a reduced formula may occur; false
      for those of a held-out set, for instance.

  Yields:
    Records with numbers, positions, cell and id, 'synthetic-<n>-<source id>'.

  Raises:
    ValueError: If the source has no crystal that is small enough, or hardly any
      of its supercells is accepted.
  """
  small = [r for r in rows if len(r['numbers']) <= config.max_source_atoms]
  if not small:
    raise ValueError(
      f'The source has no crystal of at most {config.max_source_atoms} atoms.'
    )
  known = np.unique(np.concatenate([row['numbers'] for row in small]))
  groups = _groups(known.tolist())
  rng = np.random.default_rng(seed)
  made = failures = 0
  while made < count:
    row = small[int(rng.integers(len(small)))]
    record = _supercell(row, groups, config, rng)
    if record is None or not accept(reduced_formula(record['numbers'])):
      failures += 1
      if failures == _MAX_FAILURES:
        raise ValueError(
          f'{failures} supercells in a row were refused, after {made} of '
          f'{count}: the source cannot give more.'
        )
      continue
    failures = 0
    yield record | {'id': f'synthetic-{made}-{row["id"]}'}
    made += 1


def _supercell(
  row: Mapping[str, Any],
  groups: Mapping[int, list[int]],
  config: SupercellConfig,
  rng: np.random.Generator,
) -> Record | None:
  """One distorted supercell; None if atoms come too close or none remain."""
  numbers = np.asarray(row['numbers'], int)
  cell, _ = lattice.minkowski_reduce(np.asarray(row['cell'], float))
  fractional = np.asarray(row['positions'], float) @ np.linalg.inv(cell)
  repeats = _repeats(len(numbers), np.linalg.norm(cell, axis=1), config, rng)
  if repeats is None:
    return None
  shifts = np.stack(np.unravel_index(np.arange(repeats.prod()), repeats), 1)
  fractional = (shifts[:, None] + fractional).reshape(-1, 3) / repeats
  numbers = np.tile(numbers, len(shifts))
  cell = cell * repeats[:, None]
  nearest = _nearest(fractional @ cell, cell)

  numbers = _exchange(numbers, rng.choice(config.exchanged), groups, rng)
  if rng.random() < config.vacancy_probability:
    share = rng.choice(config.vacancies)
    removed = max(1, round(share * len(numbers)))
    kept = np.sort(rng.permutation(len(numbers))[removed:])
    numbers, fractional = numbers[kept], fractional[kept]
  strain = rng.normal(0, config.strain, (3, 3))
  cell = cell @ (np.eye(3) + (strain + strain.T) / 2)
  positions = fractional @ cell
  positions += rng.normal(0, rng.choice(config.displacements), positions.shape)
  limit = config.min_distance * nearest
  if not len(numbers) or contacts.first_contact(positions, cell, limit):
    return None
  return {
    'numbers': numbers.astype(np.uint8),
    'positions': positions.astype(np.float32),
    'cell': cell.astype(np.float32),
  }


def _repeats(
  atoms: int,
  lengths: np.ndarray,
  config: SupercellConfig,
  rng: np.random.Generator,
) -> np.ndarray | None:
  """Repeats of a random supercell of up to `max_atoms` atoms.

  It grows along its shortest vector; each size of at least `min_atoms` is
  equally likely.
  """
  repeats, found = np.ones(3, int), []
  while (size := atoms * int(repeats.prod())) <= config.max_atoms:
    if size >= config.min_atoms:
      found.append(repeats.copy())
    repeats[np.argmin(repeats * lengths)] += 1
  return found[int(rng.integers(len(found)))] if found else None


def _exchange(
  numbers: np.ndarray,
  share: float,
  groups: Mapping[int, list[int]],
  rng: np.random.Generator,
) -> np.ndarray:
  """A share of random sites, each species exchanged for one other element."""
  sites = rng.permutation(len(numbers))[: round(share * len(numbers))]
  exchanged = numbers.copy()
  for number in np.unique(numbers).tolist():
    if groups[number]:
      chosen = sites[numbers[sites] == number]
      exchanged[chosen] = rng.choice(groups[number])
  return exchanged


def _groups(numbers: Sequence[int]) -> dict[int, list[int]]:
  """The other elements of each element's group."""
  columns = {number: elements.column(number) for number in numbers}
  return {
    number: [n for n in numbers if n != number and columns[n] == column]
    for number, column in columns.items()
  }


def _nearest(positions: np.ndarray, cell: np.ndarray) -> float:
  """Shortest distance between two atoms, Å."""
  limit = 1.0
  while (found := contacts.first_contact(positions, cell, limit)) is None:
    limit *= 2
  # A neighbour list returns any pair within the limit, not the closest.
  while closer := contacts.first_contact(positions, cell, found[2] * 0.999):
    found = closer
  return found[2]
