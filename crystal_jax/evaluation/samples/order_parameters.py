"""Local structure order parameters of `matminer`'s CrystalNN fingerprint.

Each of n neighbours j in turn is put at the north pole, and each other
neighbour k on the prime meridian; the rest, m, then have a polar angle θ and an
azimuth φ. A motif (tetrahedron, octahedron, ..) rewards the angles that its
ideal polyhedron has. The same numbers as pymatgen's `LocalStructOrderParams`,
with arrays over all j, k and m instead of loops.

References:
  Zimmermann et al., 10.1039/C9RA07755C; Peters, J. Chem. Phys. 131, 244103
  (2009); Steinhardt et al., Phys. Rev. B 28, 784 (1983).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

# Length of a projection that has no direction; unit vectors.
_NO_DIRECTION = 1e-12
_TETRAHEDRON = 0.6081734479693927


@dataclasses.dataclass(frozen=True)
class Angles:
  """Angles of neighbours seen from an atom, radians.

  Attributes:
    theta: Polar angle of k with j at the north pole; cosines in `cosines`.
    phi: Azimuth of m with k on the prime meridian.
    pairs: Whether j and k differ.
    triples: Whether j, k and m differ and the azimuth is defined.
    poles: Whether j, k and m differ and the prime meridian is defined.
    cosines: Cosines of the angles between neighbours.
  """

  theta: Float[np.ndarray, 'N N']
  phi: Float[np.ndarray, 'N N N']
  pairs: Bool[np.ndarray, 'N N']
  triples: Bool[np.ndarray, 'N N N']
  poles: Bool[np.ndarray, 'N N N']
  cosines: Float[np.ndarray, 'N N']

  def of_first(self, count: int) -> Angles:
    """The same of the first neighbours alone."""
    arrays = (getattr(self, field.name) for field in dataclasses.fields(self))
    return Angles(*(array[(slice(count),) * array.ndim] for array in arrays))


def angles(vectors: Float[np.ndarray, 'N 3']) -> Angles:
  """Angles of vectors to neighbours; none may be zero."""
  n = len(vectors)
  unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
  raw = unit @ unit.T
  cosines = np.clip(raw, -1.0, 1.0)
  # Part of k that is orthogonal to j.
  x = unit[None] - (raw / raw.diagonal()[:, None])[..., None] * unit[:, None]
  length = np.linalg.norm(x, axis=2)
  defined = length >= _NO_DIRECTION
  x = x / np.where(defined, length, 1.0)[..., None]
  phi = np.arccos(np.clip(np.einsum('jkx,jmx->jkm', x, x), -1.0, 1.0))
  pairs = ~np.eye(n, dtype=bool)
  distinct = pairs[:, :, None] & pairs[:, None, :] & pairs[None]
  poles = distinct & defined[:, :, None]
  return Angles(
    np.arccos(cosines), phi, pairs, poles & defined[:, None], poles, cosines
  )


def _gauss(x):
  return np.exp(-0.5 * x * x)


def _best(value, norm) -> float:
  """Largest value over its norm, of all j and k; 0 where the norm is."""
  return float((value / np.where(norm > 1e-12, norm, np.inf)).max())


def _sums(a: Angles, of_k, of_m, use_k, use_m):
  """Sum of the terms of k and of all m, and their number, for all j and k."""
  use_k = a.pairs & use_k
  value = np.where(use_k, of_k, 0.0) + np.where(use_m, of_m, 0.0).sum(axis=2)
  return value, use_k + use_m.sum(axis=2)


def single_bond(a: Angles) -> float:
  """One neighbour."""
  del a
  return 1.0


def bent(target: float, width: float) -> Callable[[Angles], float]:
  """Two neighbours at an angle, as a share of 180°."""

  def value(a: Angles) -> float:
    found = _gauss(width * (a.theta / np.pi - target))
    return float(found[a.pairs].mean())

  return value


def regular(
  target: float, width: float, fold: float
) -> Callable[[Angles], float]:
  """All neighbours at one angle from j, with azimuths of a symmetry."""

  def value(a: Angles) -> float:
    near = _gauss(width * (a.theta / np.pi - target))
    of_m = near[:, None] * np.cos(fold * a.phi) ** 2
    return _best(*_sums(a, near, of_m, True, a.triples))

  return value


def pentagon(width: float) -> Callable[[Angles], float]:
  """A planar pentagon: 72° or 144° from j."""

  def value(a: Angles) -> float:
    target = np.where(a.theta <= 0.6 * np.pi, 0.4, 0.8)
    near = _gauss(width * (a.theta / np.pi - target))
    of_m = near[:, None] * np.cos(a.phi) ** 2
    return _best(*_sums(a, near, of_m, True, a.triples))

  return value


def pyramid(width: float, fold: float) -> Callable[[Angles], float]:
  """All other neighbours on the equator."""
  return regular(0.5, width, fold)


def bipyramid(
  width: float,
  fold: float,
  pole_width: float,
  south: float = 2.356194490192345,
  widest: float = np.inf,
  off_equator: float = 0.0,
) -> Callable[[Angles], float]:
  """Neighbours on the equator and at the south pole.

  Args:
    width: Inverse width of the equator, of 180°.
    fold: Symmetry of the azimuths.
    pole_width: Inverse width of the south pole, of 180°.
    south: Polar angle from which a neighbour counts as the south pole's.
    widest: Azimuths from here on do not count.
    off_equator: Distance from the equator that is rewarded, of 180°.
  """

  def value(a: Angles) -> float:
    from_equator = np.abs(a.theta / np.pi - 0.5) - off_equator
    near = _gauss(width * from_equator)
    is_north = a.theta < south
    of_m = near[:, None] * np.cos(fold * a.phi) ** 2
    use_m = a.triples & is_north[:, None] & is_north[:, :, None]
    use_m &= a.phi < widest
    found, norm = _sums(a, near, of_m, is_north, use_m)
    at_pole = a.poles & ~is_north[:, None]
    of_pole = _gauss(pole_width * (a.theta / np.pi - 1))[:, None]
    found += np.where(at_pole, of_pole, 0.0).sum(axis=2)
    return _best(found, norm + at_pole.sum(axis=2))

  return value


def body_centred(a: Angles) -> float:
  """Eight corners of a cube; depends on the order of neighbours a little."""
  n = len(a.theta)
  south = a.theta >= 2.5261129449194057
  of_k = np.where(south, 6 * _gauss(15 * (a.theta / np.pi - 1)), 0.0)
  x = (a.theta - np.pi / 2) / math.asin(1 / 3)
  sign = np.where(a.theta > np.pi / 2, 1, -1)[:, :, None]
  of_m = sign * np.cos(3 * a.phi) * (x * _gauss(x))[:, None] * math.exp(0.5)
  of_m = np.where(a.triples & ~south[:, :, None], of_m, 0.0).sum(axis=2)
  found = float(np.triu(of_k + of_m, 1).sum())
  return found / (0.5 * n * (6 + (n - 2) * (n - 3)))


def cuboctahedral(a: Angles) -> float:
  """Twelve neighbours as in a close packing of cubic symmetry."""
  south, low, high = (
    2.792526803190927, 1.3089969389957472, 1.8325957145940461,
  )  # fmt: skip
  weight = 1.8
  of_k = weight * _gauss(28.75 * (a.theta / np.pi - 1))
  is_south = a.pairs & (a.theta >= south)
  theta = np.broadcast_to(a.theta[:, None], a.phi.shape)
  level = (theta > low) & (theta < high)
  inclined = _gauss(0.0556 * (np.cos(a.phi - np.pi / 2) - 0.81649658))
  of_m = np.where(
    level,
    np.cos(a.phi) ** 2 * _gauss(25.5 * (theta / np.pi - 0.5)),
    inclined
    * _gauss(31.25 * (theta / np.pi - np.where(theta < low, 1 / 3, 2 / 3))),
  )
  is_level = (a.theta > low) & (a.theta < high)
  use = a.triples & (theta < south) & is_level[:, :, None]
  found = np.where(is_south, of_k, 0) + np.where(use, of_m, 0.0).sum(axis=2)
  return _best(found, weight * is_south + use.sum(axis=2))


def bond_orientational(order: int) -> Callable[[Angles], float]:
  """Steinhardt's Q of an order, by the addition theorem."""
  coefficients = np.eye(order + 1)[order]

  def value(a: Angles) -> float:
    legendre = np.polynomial.legendre.legval(a.cosines, coefficients)
    return math.sqrt(max(float(legendre.mean()), 0.0))

  return value


_STEINHARDT = tuple(map(bond_orientational, (2, 4, 6)))
# Order parameters by number of neighbours, in matminer's order.
MOTIFS: dict[int, tuple[Callable[[Angles], float], ...]] = {
  1: (single_bond,),
  2: (
    bent(0.5, 15.15),
    bent(0.5802777777777778, 13.95),
    bent(0.666666666667, 13.25),
    bent(0.833333333333333, 12.45),
    bent(1.0, 8.667),
  ),
  3: (
    regular(0.66666666667, 17.5, 1),
    regular(_TETRAHEDRON, 18.33, 1.5),
    pyramid(15.5, 1),
  ),
  4: (
    bipyramid(17.7, 1, 13.5),
    regular(_TETRAHEDRON, 18.5, 1.5),
    bipyramid(27, 2, 11.5, widest=0.75 * np.pi),
    bipyramid(15.75, 1.5, 12.75),
    pyramid(15.5, 1.5),
  ),
  5: (pentagon(19.333), pyramid(14.9, 2), bipyramid(16.6, 1.5, 12)),
  6: (
    bipyramid(25, 1, 7.5, 2.6179938779914944, off_equator=0.16666667),
    bipyramid(18, 2, 15),
    pyramid(13.8, 2.5),
  ),
  7: (pyramid(12.5, 3), bipyramid(14.75, 2.5, 12.5)),
  8: (body_centred, bipyramid(13.6, 3, 14.1)),
  9: _STEINHARDT,
  10: _STEINHARDT,
  11: _STEINHARDT,
  12: (cuboctahedral, *_STEINHARDT),
}
