"""Atoms of a box, and which of them an operation carries onto which.

An operation is a translation, x + t, or an inversion, t - x. The one question
of the lattice search, asked a million times, is which atom lies at the image of
another. A map of small voxels, each with the index of the atom that is near,
answers it with one look.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

# All below were tuned on mp_le20_val.

# No lattice vector is shorter, Å.
SHORTEST = 1.8
# Atoms this near outside the walls, Å, are seen well enough to be believed,
# if their weight is this near to a whole number.
BEYOND, SOUND = 0.5, 0.1
# Hydrogen and helium outside are as often fitted to nothing.
LIGHT = 2
# Atoms nearest to the middle that are asked first: they refute most.
PROBES = 12
# How unsure the place of an atom of weight one is, Å, more than DEEP inside the
# walls, and elsewhere; no atom is less sure than MOST_SLACK.
DEEP, SLACK_DEEP, SLACK, MOST_SLACK = 0.75, 0.015, 0.06, 0.1
# Share of the images that must be of exactly the same species.
AGREE = 0.6
# Where the box is known, its walls are taken to be this far inside, Å, as an
# atom that near may be decoded outside; or at the outermost atom.
MARGIN = 0.2


@dataclasses.dataclass(frozen=True)
class Points:
  """Atoms inside the walls first, then those just outside that are sound.

  Attributes:
    places: [N, 3], Å.
    numbers: [N].
    slack: [N], how unsure each place is, Å.
    inner: How many are inside the walls.
    half: The walls' distance from the origin, Å.
    tolerance: How far an image may be from an atom, Å.
    alike: Atomic numbers that differ by no more are taken for the same.
    misses: Share of the images that need not be there.
    middle: Indices of those inside the walls, the nearest to the middle first.
    owners: The map: of each voxel the index of an atom that is near, or -1.
    step: Side of a voxel of the map, Å.
    edge: Where the map ends on each side, Å.
  """

  places: Float[np.ndarray, 'N 3']
  numbers: Int[np.ndarray, 'N']
  slack: Float[np.ndarray, 'N']
  inner: int
  half: float
  tolerance: float
  alike: int
  misses: float
  middle: Int[np.ndarray, 'I']
  owners: Int[np.ndarray, 'X X X']
  step: float
  edge: float

  @classmethod
  def of(cls, atoms, tolerance, alike=0, misses=0.0) -> Points | None:
    """The points of decoded atoms; None if there are too few to repeat."""
    places, numbers, weights, inner = believed(atoms)
    if inner < 3:
      return None
    half = float(np.abs(places[:inner]).max())
    if atoms.length is not None:
      half = max(half, atoms.length / 2 - MARGIN)
    # A light atom, one near a wall, and one whose weight is off are less sure.
    deep = np.abs(places).max(axis=1) < half - DEEP
    slack = np.where(deep, SLACK_DEEP, SLACK) + 0.5 * np.abs(weights - numbers)
    slack = np.minimum(slack / numbers, MOST_SLACK)
    middle = np.argsort(np.abs(places[:inner]).max(axis=1))
    known = places, numbers, slack, inner, half, tolerance, alike, misses
    return cls(*known, middle, *_map(places, slack, tolerance))

  def look(self, shifts, sign=1, atoms=slice(None)):
    """Which atom each image lies on, -1 for none, and if one must be there.

    Args:
      shifts: [T, 3], Å; the images are `sign * place + shift`.
      sign: 1 for translations, -1 for inversions.
      atoms: Which atoms to take the images of.

    Returns:
      Two arrays [T, A].
    """
    places = sign * self.places[atoms]
    numbers = self.numbers[atoms]
    size = len(self.owners)
    wall = self.half - 0.5 * self.tolerance - 0.02
    index, must = 0, True
    images = []
    for k in range(3):  # an axis at a time is much faster than all at once
      image = places[None, :, k] + shifts[:, None, k]
      must = must & (np.abs(image) <= wall)
      voxel = ((image + self.edge) / self.step).astype(np.int32)
      index = index * size + np.clip(voxel, 0, size - 1)
      images.append(image)
    owner = self.owners.reshape(-1)[index]
    at = np.nonzero(owner >= 0)
    on = owner[at]
    apart = sum((images[k][at] - self.places[on, k]) ** 2 for k in range(3))
    differ = np.abs(self.numbers[on] - numbers[at[1]])
    within = self.tolerance + self.slack[on] + self.slack[atoms][at[1]]
    wrong = (apart > within**2) | (differ > self.alike)
    owner[at[0][wrong], at[1][wrong]] = -1
    return owner, must

  def refuted(self, shifts, sign=1, atoms=None):
    """Whether each operation carries atoms onto nothing, [T]."""
    atoms = np.arange(self.inner) if atoms is None else atoms
    both = np.concatenate([shifts, -shifts]) if sign == 1 else shifts
    owner, must = self.look(both, sign, atoms)
    lost = (must & (owner < 0)).sum(axis=1)
    asked = must.sum(axis=1)
    if sign == 1:
      lost = lost[: len(shifts)] + lost[len(shifts) :]
      asked = asked[: len(shifts)] + asked[len(shifts) :]
    return lost > self.misses * asked

  def operations(self, sign=1, start=None, most=120):
    """Operations that carry no atom onto nothing, and at least two onto others.

    Args:
      sign: 1 for translations, shortest first; -1 for inversions, those that
        relate most atoms first.
      start: Atoms to start from; None: all.
      most: How many are enough.

    Returns:
      Shifts [T, 3] in Å and how many atoms each carries onto others [T].
    """
    start = np.arange(self.inner) if start is None else start
    apart = np.abs(self.numbers[start, None] - self.numbers[None])
    i, j = np.nonzero(apart <= self.alike)
    i = start[i]
    shifts = self.places[j] - sign * self.places[i]
    if sign == 1:
      shifts *= np.where(shifts[:, :1] < 0, -1, 1)
      size = np.linalg.norm(shifts, axis=1)
      keep = size >= SHORTEST
    else:
      keep, size = i < j, np.abs(shifts).max(axis=1)
    shifts, size = shifts[keep], size[keep]
    key = np.rint(shifts / self.tolerance).astype(np.int64)
    _, index = np.unique(key @ np.array([1, 2**14, 2**28]), return_index=True)
    shifts = shifts[index[np.argsort(size[index])]]
    found, hits = np.zeros((0, 3)), []
    for chunk in np.array_split(shifts, len(shifts) // 512 + 1):
      chunk = chunk[~self.refuted(chunk, sign, self.middle[:PROBES])]
      for mean, count in zip(*self._means(chunk, sign), strict=True):
        apart = np.linalg.norm(found - mean[None], axis=1)
        if not (apart < 0.05 + 2 * self.tolerance).any():
          found = np.concatenate([found, mean[None]])
          hits.append(count)
      if len(found) >= most:
        break
    hits = np.array(hits, int)
    size = np.linalg.norm(found, axis=1) if sign == 1 else -hits
    order = np.argsort(size, kind='stable')[:most]
    return found[order], hits[order]

  def _means(self, shifts, sign):
    """Those of some operations that hold, averaged over pairs; their pairs."""
    shifts = shifts[~self.refuted(shifts, sign)]
    owner, _ = self.look(shifts, sign)
    every = np.arange(len(self.places))
    hit = (owner >= 0) & (owner != every)
    hits = hit.sum(axis=1)
    same = hit & (self.numbers[owner] == self.numbers)
    keep = (hits >= 2) & (same.sum(axis=1) >= AGREE * hits)
    owner, hit, hits = owner[keep], hit[keep], hits[keep]
    weight = np.where(hit, self.trust(every, owner) ** 2, 0)
    apart = self.places[owner] - sign * self.places
    means = np.einsum('ta,tak->tk', weight, apart) / weight.sum(1)[:, None]
    return means, hits

  def trust(self, first, second):
    """How exactly pairs are known, relative to one another."""
    return 1 / (self.slack[first] + self.slack[second] + self.tolerance / 4)

  def pairs(self, cell, centre=None):
    """Every pair of atoms that a lattice relates; None if one is missing.

    Args:
      cell: The lattice.
      centre: If given, pairs of the inversions `centre + times @ cell - x`
        instead of those of the translations `x + times @ cell`.

    Returns:
      Indices of the first and the second atom, and how many of each lattice
      vector lie between them, [P, 3].
    """
    if centre is None:
      times = whole(cell, 2 * self.edge)
      times = times[times.any(axis=1)]
      owner, must = self.look(times @ cell)
    else:
      times = whole(cell, 2 * self.edge, centre)
      owner, must = self.look(centre + times @ cell, -1)
    must = must[:, : self.inner]
    lost = must & (owner[:, : self.inner] < 0)
    if lost.sum() > self.misses * must.sum():
      return None
    t, first = np.nonzero(owner >= 0)
    return first, owner[t, first], times[t]


def _map(places, slack, tolerance):
  """The small voxels around the atoms: their owners, their side, the edge."""
  step = max(0.1, tolerance / 2)
  edge = np.abs(places).max() + 5 * step
  size = int(np.ceil(2 * edge / step))
  owners = np.full((size,) * 3, -1, np.int16)
  reach = np.arange(-3, 4)
  ball = np.stack(np.meshgrid(reach, reach, reach), -1).reshape(-1, 3)
  near = (tolerance + 2 * slack.max() + np.sqrt(3) * step) / step
  ball = ball[np.linalg.norm(ball, axis=1) <= near]
  index = ((places + edge) / step).astype(np.int32)
  index = index[:, None] + ball[None]
  atom = np.arange(len(places), dtype=np.int16)
  owner = np.broadcast_to(atom[:, None], index.shape[:2])
  owners[tuple(index.reshape(-1, 3).T)] = owner.reshape(-1)
  return owners, step, edge


def whole(cell, reach, start=0.0) -> Int[np.ndarray, 'T 3']:
  """Whole numbers of each vector that, from `start`, stay within a cube."""
  inverse = np.linalg.inv(cell)
  limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int)
  limit = np.minimum(limit + 1, 12)
  ranges = [np.arange(-k, k + 1) for k in limit]
  times = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
  times = times - np.rint(np.broadcast_to(start, 3) @ inverse).astype(int)
  return times[np.abs(start + times @ cell).max(axis=1) <= reach]


def believed(atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
  """Places, numbers, weights of the atoms that count; how many are inside.

  Those inside the walls come first, those just outside that are sound after.
  """
  inside = np.asarray(atoms.inside) & np.asarray(atoms.mask)
  if inside.ndim != 1:
    raise ValueError(
      f'These are the atoms of a batch of {len(inside)} densities; pass them '
      'one at a time: jax.tree.map(lambda x: x[i], atoms).'
    )
  places = np.asarray(atoms.positions, np.float64)
  numbers = np.asarray(atoms.numbers)
  weights = np.asarray(atoms.weights, np.float64)
  half = np.abs(places[inside]).max(initial=0.0)
  if inside.any() and atoms.length is not None:
    half = max(half, atoms.length / 2 - MARGIN)
  outside = np.asarray(atoms.mask) & ~inside
  outside &= np.abs(places).max(axis=1) <= half + BEYOND
  outside &= (np.abs(weights - numbers) < SOUND) & (numbers > LIGHT)
  order = np.r_[np.nonzero(inside)[0], np.nonzero(outside)[0]]
  return places[order], numbers[order], weights[order], int(inside.sum())
