"""Atoms of a box, and which of them a translation carries onto which.

The one question of the lattice search, asked a million times, is whether there
is an atom of this species at this place. A map of small voxels, each with the
index of the atom it lies on, answers it with one look.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

# No lattice vector is shorter, Å.
SHORTEST = 1.8
# Atoms this near outside the walls, Å, are seen well enough to be believed,
# if their weight is this near to a whole number.
BEYOND, SOUND = 0.5, 0.1
# Most translations that are looked at, shortest first.
MOST = 250


@dataclasses.dataclass(frozen=True)
class Points:
  """Atoms inside the walls first, then those just outside that are sound.

  Attributes:
    places: [N, 3], Å.
    numbers: [N].
    inner: How many are inside the walls.
    half: The walls' distance from the origin, Å.
    tolerance: How far an image may be from an atom, Å.
  """

  places: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  inner: int
  half: float
  tolerance: float

  @classmethod
  def of(cls, atoms, tolerance: float) -> Points | None:
    """The points of decoded atoms; None if there are too few to repeat."""
    places, numbers, inner = believed(atoms)
    if inner < 3:
      return None
    half = float(np.abs(places[:inner]).max())
    return cls(places, numbers, inner, half, tolerance)

  def __post_init__(self):
    step = max(0.1, self.tolerance / 2)
    edge = np.abs(self.places).max() + 5 * step
    size = int(np.ceil(2 * edge / step))
    owners = np.full((size,) * 3, -1, np.int16)
    object.__setattr__(self, 'step', step)
    object.__setattr__(self, 'edge', edge)
    object.__setattr__(self, 'owners', owners)
    inner = self.places[: self.inner]
    probe = np.argsort(np.linalg.norm(inner, axis=1))[:12]
    object.__setattr__(self, '_probe', probe)
    reach = np.arange(-3, 4)
    ball = np.stack(np.meshgrid(reach, reach, reach), -1).reshape(-1, 3)
    near = (self.tolerance + np.sqrt(3) * step) / step
    ball = ball[np.linalg.norm(ball, axis=1) <= near]
    index = self._index(self.places)[:, None] + ball[None]
    atom = np.arange(len(self.places), dtype=np.int16)
    owner = np.broadcast_to(atom[:, None], index.shape[:2])
    owners[tuple(index.reshape(-1, 3).T)] = owner.reshape(-1)

  def _index(self, places):
    return ((places + self.edge) / self.step).astype(np.int32)

  def look(self, places, numbers):
    """Which atom is there (-1: none of that species), and if one must be."""
    must = np.abs(places).max(axis=-1) <= self.half - 0.5 * self.tolerance
    size = len(self.owners)
    index = self._index(places)
    there = ((index >= 0) & (index < size)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(there[..., None], index, 0), -1, 0)
    owner = np.where(there, self.owners[x, y, z], -1)
    apart = self.places[owner] - places
    near = np.einsum('...i,...i', apart, apart) <= self.tolerance**2
    hit = (owner >= 0) & near & (self.numbers[owner] == numbers)
    return np.where(hit, owner, -1), must

  def translations(self) -> Float[np.ndarray, 'T 3']:
    """Vectors that carry no atom onto nothing, shortest first."""
    same = self.numbers[: self.inner, None] == self.numbers[None]
    first, second = np.nonzero(same)
    vectors = self.places[second] - self.places[first]
    vectors *= np.where(vectors[:, :1] < 0, -1, 1)
    vectors = vectors[np.linalg.norm(vectors, axis=1) >= SHORTEST]
    rounded = np.rint(vectors / self.tolerance).astype(int)
    key = (rounded @ np.array([1, 4096, 4096**2])).astype(np.int64)
    _, index = np.unique(key, return_index=True)
    vectors = vectors[index]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    found = np.zeros((0, 3))
    for chunk in np.array_split(vectors, len(vectors) // 512 + 1):
      # A few atoms refute most candidates; the rest get the whole question.
      chunk = chunk[self.missing(chunk, self._probe) == 0]
      owner, _ = self.look(
        self.places[None] + chunk[:, None], self.numbers[None]
      )
      misses = self.missing(chunk)
      hits = np.sum(owner >= 0, axis=1)
      for i in np.nonzero((misses == 0) & (hits >= 2))[0]:
        hit = owner[i] >= 0
        mean = np.mean(self.places[owner[i][hit]] - self.places[hit], axis=0)
        apart = np.linalg.norm(found - mean[None], axis=1)
        if not (apart < 2 * self.tolerance).any():
          found = np.concatenate([found, mean[None]])
      if len(found) >= MOST:
        break
    return found[np.argsort(np.linalg.norm(found, axis=1))]

  def missing(self, vectors, atoms=None) -> Int[np.ndarray, 'T']:
    """How many atoms each vector, or its opposite, carries onto nothing."""
    atoms = np.arange(self.inner) if atoms is None else atoms
    both = np.concatenate([vectors, -vectors])
    images = self.places[atoms][None] + both[:, None]
    owner, must = self.look(images, self.numbers[atoms][None])
    missing = (must & (owner < 0)).sum(axis=1)
    return missing[: len(vectors)] + missing[len(vectors) :]

  def pairs(self, cell):
    """Every pair of atoms that a lattice relates; None if one is missing.

    Returns:
      Indices of the first and the second atom, and how many of each lattice
      vector lie between them, [P, 3].
    """
    times = self._times(cell, 2 * self.edge)
    times = times[times.any(axis=1)]
    owner, must = self.look(
      self.places[None] + (times @ cell)[:, None], self.numbers[None]
    )
    if np.any((must & (owner < 0))[:, : self.inner]):
      return None
    t, first = np.nonzero(owner >= 0)
    return first, owner[t, first], times[t]

  def fold(self, cell) -> Int[np.ndarray, 'N']:
    """Which site of the cell each atom is an image of."""
    fractional = self.places @ np.linalg.inv(cell)
    sites = np.full(len(fractional), -1)
    count = 0
    for i in range(len(fractional)):
      if sites[i] >= 0:
        continue
      apart = fractional - fractional[i]
      apart = (apart - np.rint(apart)) @ cell
      near = np.linalg.norm(apart, axis=1) < 2 * self.tolerance
      sites[near & (sites < 0)] = count
      count += 1
    return sites

  def unseen(self, cell, excluded: float) -> float:
    """The share of the cell that no part of the box shows.

    Places that lie within `excluded` of an atom do not count.
    """
    n = 10
    grid = (np.stack(np.meshgrid(*[np.arange(n)] * 3), -1) + 0.5) / n
    points = grid.reshape(-1, 3) @ cell
    seen = self.half + (BEYOND if len(self.places) > self.inner else 0)
    times = self._times(cell, 2.8 * self.half)
    shifts = times @ cell
    left = points
    for chunk in np.array_split(shifts, len(shifts) // 32 + 1):
      images = left[:, None] + chunk[None]
      inside = (np.abs(images) <= seen).all(axis=-1).any(axis=1)
      left = left[~inside]
    if not len(left):
      return 0.0
    fractional = self.places @ np.linalg.inv(cell)
    apart = (left @ np.linalg.inv(cell))[:, None] - fractional[None]
    apart = (apart - np.rint(apart)) @ cell
    free = (np.linalg.norm(apart, axis=-1) > excluded).all(axis=1)
    return float(free.sum() / n**3)

  def _times(self, cell, reach):
    """Whole numbers of each vector that stay within a cube of `reach`."""
    inverse = np.linalg.inv(cell)
    limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int)
    limit = np.minimum(limit + 1, 12)
    ranges = [np.arange(-k, k + 1) for k in limit]
    times = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
    return times[np.abs(times @ cell).max(axis=1) <= reach]


def believed(atoms) -> tuple[np.ndarray, np.ndarray, int]:
  """Places and numbers of the atoms that count; how many are inside.

  Those inside the walls come first, those just outside that are sound after.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  places = np.asarray(atoms.positions, np.float64)
  numbers = np.asarray(atoms.numbers)
  weights = np.asarray(atoms.weights, np.float64)
  half = np.abs(places[inside]).max(initial=0.0)
  outside = np.asarray(atoms.mask) & ~inside
  outside &= np.abs(places).max(axis=1) <= half + BEYOND
  outside &= np.abs(weights - numbers) < SOUND
  order = np.r_[np.nonzero(inside)[0], np.nonzero(outside)[0]]
  return places[order], numbers[order], int(inside.sum())
