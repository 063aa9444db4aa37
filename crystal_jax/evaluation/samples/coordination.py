"""Structure fingerprint of CDVAE's coverage: CrystalNN order parameters.

An atom's Voronoi neighbours get weights: solid angle, electronegativity
difference, distance over the covalent radii. The weights give a probability to
each coordination number, which multiplies the order parameters of the nearest
neighbours of that number (`order_parameters`). Numbers as of `matminer`'s
`CrystalNNFingerprint.from_preset('ops')` on pymatgen's `CrystalNN`, in arrays
instead of loops; elements have no oxidation states, as in CDVAE.

References:
  Zimmermann et al., 10.1039/C9RA07755C; Pan et al.,
  10.1021/acs.inorgchem.0c02996.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import QhullError, Voronoi

from crystal_jax.evaluation.samples.order_parameters import MOTIFS, angles
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import MAX_NUMBER, symbol


@dataclasses.dataclass(frozen=True)
class CrystalNN:
  """Constants of CrystalNN, as published.

  Attributes:
    radii: Radii within which atoms take part in the tessellation, Å; the next
      one is taken where a Voronoi cell may not be whole.
    enough: The radius of pymatgen, Å: a closed cell is believed from here on.
    near: Å beyond the sum of covalent radii, up to which a neighbour counts.
    far: The same, from which a neighbour does not count.
    electronegativity: Weight of a difference in electronegativity.
    largest: Largest difference in electronegativity (Pauling).
    decimals: Decimals of weights.
    most: Largest coordination number.
  """

  radii: tuple[float, ...] = (5.0, 7.0, 14.0, 28.0, 56.0)
  enough: float = 7.0
  near: float = 0.5
  far: float = 1.0
  electronegativity: float = 3.0
  largest: float = 3.3
  decimals: int = 3
  most: int = 24


_PUBLISHED = CrystalNN()


def fingerprint(
  crystal: Crystal, atoms: Int[np.ndarray, 'M']
) -> Float[np.ndarray, 'M S']:
  """Order parameters of some atoms.

  Args:
    crystal: Host crystal.
    atoms: Indices of the atoms.

  Raises:
    ValueError: If an atom has no closed Voronoi cell.
  """
  surroundings = _Surroundings(crystal)
  return np.array([_order_parameters(surroundings, i) for i in atoms])


class _Surroundings:
  """Atoms around an atom of a crystal, by distance."""

  def __init__(self, crystal: Crystal):
    self.numbers = np.asarray(crystal.numbers)
    self._cell = np.asarray(crystal.cell, np.float64)
    fractional = np.asarray(crystal.positions) @ np.linalg.inv(self._cell)
    self._fractional = fractional % 1.0
    # Distances of the faces of the cell, Å.
    self._heights = 1 / np.linalg.norm(np.linalg.inv(self._cell), axis=0)
    self._found: dict[float, tuple[np.ndarray, np.ndarray]] = {}

  def near(
    self, atom: int, radius: float
  ) -> tuple[Float[np.ndarray, 'N 3'], Int[np.ndarray, 'N']]:
    """Vectors to all atoms within a radius, the atom itself first; numbers."""
    if radius not in self._found:
      self._found[radius] = self._images(radius)
    vectors, numbers = self._found[radius]
    vectors = vectors - self._fractional[atom] @ self._cell
    distance = np.linalg.norm(vectors, axis=1)
    order = np.flatnonzero(distance <= radius)
    order = order[np.argsort(distance[order], kind='stable')]
    return vectors[order], numbers[order]

  def _images(
    self, radius: float
  ) -> tuple[Float[np.ndarray, 'N 3'], Int[np.ndarray, 'N']]:
    """All atoms within a radius of the cell, and farther ones."""
    counts = np.ceil(radius / self._heights).astype(int)
    axes = [np.arange(-n, n + 1) for n in counts]
    shifts = np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 1, 3)
    positions = (shifts + self._fractional[None]) @ self._cell
    return positions.reshape(-1, 3), np.tile(self.numbers, len(shifts))


def _order_parameters(
  surroundings: _Surroundings, atom: int
) -> Float[np.ndarray, 'S']:
  """Order parameters of an atom, over all coordination numbers."""
  vectors, weights = _neighbors(surroundings, atom)
  probability = _probabilities(weights)
  seen = angles(vectors[: max(MOTIFS)])
  row: list[float] = []
  for count in range(1, _PUBLISHED.most + 1):
    share = probability.get(count, 0.0)
    motifs = MOTIFS.get(count, ())
    row.append(share)
    if share and motifs:
      nearest = seen.of_first(count)
      row += [share * motif(nearest) for motif in motifs]
    else:
      row += [0.0] * len(motifs)
  return np.array(row)


def _neighbors(
  surroundings: _Surroundings, atom: int
) -> tuple[Float[np.ndarray, 'N 3'], Float[np.ndarray, 'N']]:
  """Vectors to neighbours and their weights, the largest first."""
  vectors, numbers, angle, area = _faces(surroundings, atom)
  electronegativity, radius = _tables()
  own = surroundings.numbers[atom]
  difference = np.abs(electronegativity[own] - electronegativity[numbers])
  chemical = 1 + _PUBLISHED.electronegativity * np.sqrt(
    difference / _PUBLISHED.largest
  )
  # Elements without an electronegativity have no preference.
  weights = angle**2 / area * np.where(np.isnan(chemical), 1.0, chemical)
  weights /= weights.max()
  distance = np.linalg.norm(vectors, axis=1)
  beyond = distance - radius[own] - radius[numbers] - _PUBLISHED.near
  phase = np.clip(beyond / (_PUBLISHED.far - _PUBLISHED.near), 0, 1) * np.pi
  weights = weights * (np.cos(phase) + 1) / 2
  order = np.argsort(-weights, kind='stable')
  weights = np.round(weights[order], _PUBLISHED.decimals)
  return vectors[order][weights > 0], weights[weights > 0]


def _probabilities(weights: Float[np.ndarray, 'N']) -> dict[int, float]:
  """Probability of each coordination number: shares of a quarter circle."""
  levels = np.unique(weights)[::-1]
  bounds = np.append(levels, 0.0)
  with np.errstate(divide='ignore'):
    slope = bounds / np.sqrt(1 - bounds**2)
  area = 0.5 * (bounds * np.sqrt(1 - bounds**2) + np.arctan(slope))
  shares = (area[:-1] - area[1:]) / (np.pi / 4)
  counts = [int(np.sum(weights >= level)) for level in levels]
  return dict(zip(counts, shares.tolist(), strict=True))


def _faces(surroundings: _Surroundings, atom: int):
  """Vectors, numbers, solid angles and areas of faces of the Voronoi cell."""
  for radius in _PUBLISHED.radii:
    points, numbers = surroundings.near(atom, radius)
    try:
      found = _cell_faces(points)
    except QhullError:  # Too few atoms within this radius.
      continue
    if found is None:
      continue
    neighbors, angle, area, reach = found
    # Atoms beyond the radius cut off no vertex within half of it.
    if reach <= radius / 2 or radius >= _PUBLISHED.enough:
      return points[neighbors], numbers[neighbors], angle, area
  raise ValueError(f'atom {atom} has no closed Voronoi cell')


def _cell_faces(points: Float[np.ndarray, 'N 3']):
  """Faces of the Voronoi cell of the first point; None if it is not closed.

  Returns:
    Index of the point behind each face, solid angle of the face, its area, and
    the distance of the farthest vertex.
  """
  voronoi = Voronoi(points)
  pairs = voronoi.ridge_points
  ridges = np.flatnonzero((pairs == 0).any(axis=1))
  neighbors, fan, face = [], [], []
  for ridge in ridges:
    vertices = voronoi.ridge_vertices[ridge]
    if -1 in vertices:
      return None
    neighbors.append(pairs[ridge].sum())  # The one that is not 0.
    fan += [
      (vertices[0], vertices[i], vertices[i + 1])
      for i in range(1, len(vertices) - 1)
    ]
    face += [len(neighbors) - 1] * (len(vertices) - 2)
  index = np.array(neighbors)
  corners = voronoi.vertices[np.array(fan)] - points[0]
  a, b, c = corners.transpose(1, 0, 2)
  lengths = np.linalg.norm(corners, axis=2)
  triple = np.abs(np.einsum('ij,ij->i', a, np.cross(b, c)))
  product = (
    lengths.prod(axis=1)
    + lengths[:, 2] * np.einsum('ij,ij->i', a, b)
    + lengths[:, 1] * np.einsum('ij,ij->i', a, c)
    + lengths[:, 0] * np.einsum('ij,ij->i', b, c)
  )
  angle = np.bincount(face, 2 * np.arctan2(triple, product))
  height = np.linalg.norm(points[index] - points[0], axis=1) / 2
  area = np.bincount(face, triple) / 2 / height
  # Touching cells share an edge or a corner, which is no face.
  is_face = area > 0
  return index[is_face], angle[is_face], area[is_face], float(lengths.max())


@functools.cache
def _tables() -> tuple[Float[np.ndarray, 'E'], Float[np.ndarray, 'E']]:
  """Electronegativities (NaN: none) and covalent radii (Å), by number."""
  from pymatgen.core import Element
  from pymatgen.core.molecule_structure_comparator import CovalentRadius

  electronegativity, radius = np.full((2, MAX_NUMBER + 1), np.nan)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    for number in range(1, MAX_NUMBER + 1):
      electronegativity[number] = Element(symbol(number)).X
      radius[number] = CovalentRadius.radius[symbol(number)]
  return electronegativity, radius
