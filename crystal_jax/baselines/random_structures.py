"""Random sensible structures, as AIRSS starts from them.

A cell of the volume that its atoms need, with the symmetry of a random space
group, whose atoms lie on random sites and keep the distances of known crystals.
A structure with shorter distances is sampled again, up to a budget.

References:
  Pickard and Needs, J. Phys.: Condens. Matter 23, 053201 (2011).
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import ase.data
import numpy as np
from jaxtyping import Float, Int

from crystal_jax.baselines import sites
from crystal_jax.baselines.random_lattices import random_cell
from crystal_jax.structure import composition as composition_lib
from crystal_jax.structure import contacts, lattice
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.pair_statistics import PairStatistics

# Space groups.
_GROUPS = 230
# Random points that are tried for each site.
_POINTS = 30
# Space groups that are tried for a composition that fits few of them.
_GROUP_DRAWS = 200
# Grams per cm³ of one atomic mass unit per Å³.
_DENSITY_UNIT = 1.66053907


@dataclasses.dataclass(frozen=True)
class RandomConfig:
  """Requirements of random structures.

  Attributes:
    space_group: Space group, 1 to 230; None: a random one for each attempt.
    volume_per_atom: Volume per atom, Å³; None: that of known crystals.
    density: Mass density, g/cm³; None: that of known crystals.
    closeness: Smallest allowed distance of two elements, as a multiple of the
      distance that 10 % of known crystals fall below.
    attempts: Number of cells that are tried for each structure.
  """

  space_group: int | None = None
  volume_per_atom: float | None = None
  density: float | None = None
  closeness: float = 0.85
  attempts: int = 500

  def __post_init__(self):
    if self.space_group is not None and not 1 <= self.space_group <= _GROUPS:
      raise ValueError(f'Need space_group={self.space_group} to be 1 to 230.')
    if self.density is not None and self.volume_per_atom is not None:
      raise ValueError('Give density or volume_per_atom, not both.')
    for name in 'volume_per_atom', 'density', 'closeness', 'attempts':
      value = getattr(self, name)
      if value is not None and not value > 0:
        raise ValueError(f'Need {name}={value} to be positive.')


def random_structures(
  contents: Sequence[Int[np.ndarray, 'N']],
  statistics: PairStatistics,
  config: RandomConfig = RandomConfig(),
  *,
  seed: int = 0,
) -> list[Crystal | str]:
  """One random structure for each list of atoms, or why there is none.

  Args:
    contents: Atomic numbers of each primitive cell.
    statistics: Distances and volumes of known crystals.
    config: Requirements.
    seed: Seed of all random numbers; no structure depends on the others.
  """
  return [
    random_structure(
      np.random.default_rng([seed, index]), numbers, statistics, config
    )
    for index, numbers in enumerate(contents)
  ]


def random_structure(
  generator: np.random.Generator,
  numbers: Int[np.ndarray, 'N'],
  statistics: PairStatistics,
  config: RandomConfig = RandomConfig(),
) -> Crystal | str:
  """One random structure, or why there is none.

  Args:
    generator: Generator of random numbers.
    numbers: Atomic numbers of the primitive cell.
    statistics: Distances and volumes of known crystals.
    config: Requirements.
  """
  species, counts = np.unique(np.asarray(numbers), return_counts=True)
  wanted = dict(zip(species.tolist(), counts.tolist(), strict=True))
  name = composition_lib.formula(tuple(wanted.items()))
  limits = config.closeness * statistics.typical
  most, near = 0, collections.Counter[str]()
  for _ in range(config.attempts):
    number = config.space_group or _random_group(generator, wanted)
    chosen = _choose_sites(generator, wanted, sites.sites(number))
    if chosen is None:
      return f'no sites of space group {number} hold {name}'
    volume = _volume(generator, numbers, statistics, config)
    group = sites.operations(number)
    cell = group.to_primitive @ random_cell(generator, number)
    cell *= np.cbrt(volume / abs(np.linalg.det(cell)))
    placed = _place(generator, chosen, group, cell, limits)
    if isinstance(placed, Crystal):
      return lattice.right_handed(placed)
    count, symbol = placed
    most = max(most, count)
    near[symbol] += 1
  symbol, _ = near.most_common(1)[0]
  return (
    f'no place for all atoms of {name} in {config.attempts} cells: at most '
    f'{most} of {len(numbers)}, mostly for want of room for {symbol}; allow a '
    'smaller closeness or density'
  )


def _random_group(generator, wanted) -> int:
  """A random space group whose sites hold the atoms; else P1."""
  for _ in range(_GROUP_DRAWS):
    number = int(generator.integers(1, _GROUPS + 1))
    multiplicities = list(sites.sites(number))
    if all(_reachable(multiplicities, n)[n] for n in wanted.values()):
      return number
  return 1


def _volume(generator, numbers, statistics, config) -> float:
  """Volume of the cell, Å³; that of known crystals spreads as theirs."""
  if config.volume_per_atom is not None:
    return config.volume_per_atom * len(numbers)
  if config.density is not None:
    mass = ase.data.atomic_masses[np.asarray(numbers)].sum()
    return _DENSITY_UNIT * float(mass) / config.density
  factor = np.exp(statistics.spread * generator.normal())
  return statistics.volume(numbers) * float(factor)


def _choose_sites(
  generator, wanted, found
) -> list[tuple[int, sites.Site]] | None:
  """Random sites for all atoms, those with most images first."""
  multiplicities = list(found)
  chosen: list[tuple[int, sites.Site]] = []
  for number, count in wanted.items():
    reachable = _reachable(multiplicities, count)
    if not reachable[count]:
      return None
    while count:
      options = [m for m in multiplicities if m <= count and
                 reachable[count - m]]  # fmt: skip
      multiplicity = int(generator.choice(options))
      group = found[multiplicity]
      chosen.append((number, group[generator.integers(len(group))]))
      count -= multiplicity
  return sorted(chosen, key=lambda pair: -pair[1].multiplicity)


def _reachable(multiplicities, count: int) -> list[bool]:
  """Whether 0, 1, .. `count` atoms are a sum of multiplicities."""
  found = [True] + [False] * count
  for n in range(1, count + 1):
    found[n] = any(m <= n and found[n - m] for m in multiplicities)
  return found


def _place(
  generator,
  chosen: Sequence[tuple[int, sites.Site]],
  group: sites.Operations,
  cell: Float[np.ndarray, '3 3'],
  limits: Float[np.ndarray, 'E E'],
) -> Crystal | tuple[int, str]:
  """A crystal, or how many atoms found a place and which did not."""
  reduced, _ = lattice.minkowski_reduce(cell)
  own = float(np.linalg.norm(reduced[0]))
  numbers = np.zeros(0, int)
  positions = np.zeros((0, 3))
  for number, site in chosen:
    for _ in range(_POINTS if site.dimensions else 1):
      images = sites.orbit(site.point(generator), group) @ cell
      if own < limits[number, number]:
        continue
      if len(images) > 1:
        # All images have the same distances to each other.
        between = contacts.distances(images[:1], images[1:], reduced)
        if between.min() < limits[number, number]:
          continue
      if len(numbers):
        between = contacts.distances(images[:1], positions, reduced)
        if (between < limits[number, numbers]).any():
          continue
      numbers = np.append(numbers, np.full(len(images), number))
      positions = np.vstack([positions, images])
      break
    else:
      return len(numbers), ase.data.chemical_symbols[number]
  return Crystal(numbers.astype(np.int32), positions, cell)
