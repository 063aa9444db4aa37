"""Random sensible structures, as AIRSS starts from them.

Each structure has a random space group, the cell volume that known crystals
predict, and atoms on random Wyckoff positions. A structure whose atoms are
closer than in known crystals is rejected, up to `attempts` cells.

References:
  Pickard and Needs, J. Phys.: Condens. Matter 23, 053201 (2011).
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.baselines import wyckoff
from crystal_jax.baselines.random_lattices import random_cell
from crystal_jax.baselines.site_assignment import assign_sites, can_hold
from crystal_jax.structure import composition as composition_lib
from crystal_jax.structure import contacts, elements, lattice
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.crystal_systems import NUM_SPACE_GROUPS
from crystal_jax.structure.pair_statistics import PairStatistics

# Number of random points that are tried for each Wyckoff position.
_NUM_POINTS = 30
# Number of random space groups that are tried before P1 is taken.
_NUM_GROUPS = 200


@dataclasses.dataclass(frozen=True)
class RandomConfig:
  """Requirements of random structures.

  Attributes:
    space_group: Space group, 1 to 230; None: a random one for each attempt.
    volume_per_atom: Volume per atom, Å³; None: that of known crystals.
    density: Mass density, g/cm³; None: that of known crystals.
    min_distance_scale: Smallest allowed distance of two atoms, in units of the
      10 % quantile of known crystals.
    attempts: Number of cells that are tried for each structure.
  """

  space_group: int | None = None
  volume_per_atom: float | None = None
  density: float | None = None
  min_distance_scale: float = 0.85
  attempts: int = 500

  def __post_init__(self):
    if self.space_group is not None and not (
      1 <= self.space_group <= NUM_SPACE_GROUPS
    ):
      raise ValueError(f'Need space_group={self.space_group} to be 1 to 230.')
    if self.density is not None and self.volume_per_atom is not None:
      raise ValueError('Give density or volume_per_atom, not both.')
    for name in 'volume_per_atom', 'density', 'min_distance_scale', 'attempts':
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
  species, number_of_each = np.unique(np.asarray(numbers), return_counts=True)
  counts = dict(zip(species.tolist(), number_of_each.tolist(), strict=True))
  name = composition_lib.formula(tuple(counts.items()))
  min_distances = config.min_distance_scale * statistics.typical
  max_placed, unplaced = 0, collections.Counter[str]()
  for _ in range(config.attempts):
    space_group = config.space_group or _random_group(generator, counts)
    wyckoff_sites = assign_sites(
      generator, counts, wyckoff.wyckoff_positions(space_group)
    )
    if wyckoff_sites is None:
      return f'no Wyckoff positions of space group {space_group} hold {name}'
    volume = _volume(generator, numbers, statistics, config)
    group = wyckoff.operations(space_group)
    cell = group.to_primitive @ random_cell(generator, space_group)
    cell *= np.cbrt(volume / abs(np.linalg.det(cell)))
    result = _place(generator, wyckoff_sites, group, cell, min_distances)
    if isinstance(result, Crystal):
      return lattice.right_handed(result)
    num_placed, symbol = result
    max_placed = max(max_placed, num_placed)
    unplaced[symbol] += 1
  symbol, _ = unplaced.most_common(1)[0]
  return (
    f'no room for all atoms of {name} in {config.attempts} cells: at most '
    f'{max_placed} of {len(numbers)} atoms were placed, and most often '
    f'{symbol} did not fit; allow a smaller min_distance_scale or density'
  )


def _random_group(generator, counts) -> int:
  """A random space group whose Wyckoff positions hold the atoms; else P1."""
  for _ in range(_NUM_GROUPS):
    space_group = int(generator.integers(1, NUM_SPACE_GROUPS + 1))
    if can_hold(counts, wyckoff.wyckoff_positions(space_group)):
      return space_group
  return 1


def _volume(generator, numbers, statistics, config) -> float:
  """Volume of the cell, Å³; that of known crystals spreads as theirs."""
  if config.volume_per_atom is not None:
    return config.volume_per_atom * len(numbers)
  if config.density is not None:
    density = composition_lib.mass_density(numbers, volume=1.0)
    return density / config.density
  factor = np.exp(statistics.spread * generator.normal())
  return statistics.volume(numbers) * float(factor)


def _place(
  generator,
  wyckoff_sites: Sequence[tuple[int, wyckoff.WyckoffPosition]],
  group: wyckoff.PrimitiveOperations,
  cell: Float[np.ndarray, '3 3'],
  min_distances: Float[np.ndarray, 'E E'],
) -> Crystal | tuple[int, str]:
  """The crystal, or the number of placed atoms and the element that did
  not fit.

  Args:
    generator: Generator of random numbers.
    wyckoff_sites: Atomic number and Wyckoff position of each orbit.
    group: Operations of the space group.
    cell: Primitive cell, Å.
    min_distances: Smallest allowed distances by atomic numbers, Å.
  """
  reduced, _ = lattice.minkowski_reduce(cell)
  # Every atom is this far from its own images.
  shortest_vector = float(np.linalg.norm(reduced[0]))
  numbers = np.zeros(0, int)
  positions = np.zeros((0, 3))
  for number, position in wyckoff_sites:
    symbol = elements.symbol(number)
    if shortest_vector < min_distances[number, number]:
      return len(numbers), symbol
    for _ in range(_NUM_POINTS if position.degrees_of_freedom else 1):
      images = wyckoff.orbit(position.point(generator), group) @ cell
      if len(images) > 1:
        # All images have the same distances to each other.
        distances = contacts.distances(images[:1], images[1:], reduced)
        if distances.min() < min_distances[number, number]:
          continue
      if len(numbers):
        distances = contacts.distances(images[:1], positions, reduced)
        if (distances < min_distances[number, numbers]).any():
          continue
      numbers = np.append(numbers, np.full(len(images), number))
      positions = np.vstack([positions, images])
      break
    else:
      return len(numbers), symbol
  return Crystal(numbers.astype(np.int32), positions, cell)
