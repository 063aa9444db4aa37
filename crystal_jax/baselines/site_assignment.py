"""Random assignment of the atoms of a cell to Wyckoff positions.

A Wyckoff position without degrees of freedom (a point position) holds one orbit
of atoms; all others hold any number.
"""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from crystal_jax.baselines.wyckoff import WyckoffPosition

# (multiplicity, number of point positions without atoms), multiplicities
# ascending.
_Points = tuple[tuple[int, int], ...]


def assign_sites(
  generator: np.random.Generator,
  counts: Mapping[int, int],
  positions: Mapping[int, Sequence[WyckoffPosition]],
) -> list[tuple[int, WyckoffPosition]] | None:
  """Random Wyckoff positions for the atoms of a cell; None if they do not fit.

  Element by element, a position is chosen among those after which all remaining
  atoms still fit, until no atom remains.

  Args:
    generator: Generator of random numbers.
    counts: Number of atoms of each atomic number.
    positions: Wyckoff positions by multiplicity.

  Returns:
    Atomic number and position of each orbit, largest multiplicity first.
  """
  if not can_hold(counts, positions):
    return None
  multiplicities = _reusable(positions)
  available = [*itertools.chain(*positions.values())]
  assigned: list[tuple[int, WyckoffPosition]] = []
  remaining = list(counts.items())
  while remaining:
    (number, count), *later = remaining
    later_counts = tuple(later_count for _, later_count in later)
    options = collections.defaultdict(list)
    for position in available:
      rest = count - position.multiplicity
      points = _num_points(_without(available, position))
      if rest >= 0 and _fits((rest, *later_counts), multiplicities, points):
        options[position.multiplicity].append(position)
    multiplicity = int(generator.choice(list(options)))
    group = options[multiplicity]
    position = group[generator.integers(len(group))]
    assigned.append((number, position))
    available = _without(available, position)
    rest = count - multiplicity
    remaining = [(number, rest), *later] if rest else later
  return sorted(assigned, key=lambda pair: -pair[1].multiplicity)


def can_hold(
  counts: Mapping[int, int],
  positions: Mapping[int, Sequence[WyckoffPosition]],
) -> bool:
  """Whether Wyckoff positions can hold these numbers of atoms together."""
  points = _num_points(itertools.chain(*positions.values()))
  return _fits(tuple(counts.values()), _reusable(positions), points)


def _is_point(position: WyckoffPosition) -> bool:
  return position.degrees_of_freedom == 0


def _reusable(positions) -> tuple[int, ...]:
  """Multiplicities of positions that hold any number of orbits."""
  return tuple(
    multiplicity
    for multiplicity, group in positions.items()
    if not all(map(_is_point, group))
  )


def _without(
  available: list[WyckoffPosition], position: WyckoffPosition
) -> list[WyckoffPosition]:
  """The positions that are available after one orbit is placed."""
  if not _is_point(position):
    return available
  return [p for p in available if p is not position]


def _num_points(available: Iterable[WyckoffPosition]) -> _Points:
  """Number of available point positions of each multiplicity."""
  counter = collections.Counter(
    p.multiplicity for p in available if _is_point(p)
  )
  return tuple(sorted(counter.items()))


@functools.lru_cache(maxsize=100_000)
def _fits(
  counts: tuple[int, ...], multiplicities: tuple[int, ...], points: _Points
) -> bool:
  """Whether positions can hold the atoms of all elements.

  Args:
    counts: Number of atoms of each element.
    multiplicities: Multiplicities of positions that hold any number of orbits.
    points: Number of point positions without atoms, by multiplicity.
  """
  if not counts:
    return True
  count, *later = counts
  is_reachable = _reachable(multiplicities, count)
  for used in itertools.product(*(range(n + 1) for _, n in points)):
    rest = count - sum(k * m for k, (m, _) in zip(used, points, strict=True))
    if rest < 0 or not is_reachable[rest]:
      continue
    remaining = tuple(
      (m, n - k) for (m, n), k in zip(points, used, strict=True)
    )
    if _fits(tuple(later), multiplicities, remaining):
      return True
  return False


@functools.lru_cache(maxsize=10_000)
def _reachable(multiplicities: tuple[int, ...], count: int) -> tuple[bool, ...]:
  """Whether each of 0, 1, .. `count` atoms is a sum of multiplicities."""
  is_sum = [True] + [False] * count
  for n in range(1, count + 1):
    is_sum[n] = any(m <= n and is_sum[n - m] for m in multiplicities)
  return tuple(is_sum)
