"""Reduced lattice vectors: Minkowski, Niggli, and the exact symmetry of a cell.

Host NumPy, float64.
"""

import itertools

import ase.geometry
import numpy as np
from jaxtyping import ArrayLike, Float, Int

# Coefficients of lattice vectors that may be as short as the vectors of a
# reduced basis.
_SHORT_VECTORS = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))


def minkowski_reduce(
  cell: Float[ArrayLike, '3 3'],
) -> tuple[Float[np.ndarray, '3 3'], Int[np.ndarray, '3 3']]:
  """The shortest three independent lattice vectors, in ascending order.

  Host NumPy, float64.

  Returns:
    The reduced cell, and the integer matrix `op` with `reduced = op @ cell`.

  Raises:
    ValueError: If the cell has no volume or is not finite.

  References:
    Nguyen and Stehlé, Low-dimensional lattice basis reduction revisited.
  """
  reduced, op = ase.geometry.minkowski_reduce(_check_cell(cell))
  return np.asarray(reduced), np.asarray(op, np.int64)


def niggli_reduce(
  cell: Float[ArrayLike, '3 3'], tolerance: float = 1e-5
) -> Float[np.ndarray, '3 3']:
  """The Niggli cell: the same cell for every basis of a lattice.

  Lengths ascend; either all angles are below 90 degrees or none is. Host NumPy,
  float64; the orientation in space is kept: the rows are lattice vectors of
  `cell`.

  Args:
    cell: Lattice vectors as rows, Å.
    tolerance: Lengths that differ by less than this, in units of the cube root
      of the volume, are equal.

  Raises:
    ValueError: If the cell has no volume or is not finite.

  References:
    Grosse-Kunstleve, Sauter and Adams, Acta Cryst. A60, 1 (2004).
  """
  return niggli_operation(cell, tolerance) @ _check_cell(cell)


def niggli_operation(
  cell: Float[ArrayLike, '3 3'], tolerance: float = 1e-5
) -> Int[np.ndarray, '3 3']:
  """The integer matrix `op` of `niggli_reduce`: `reduced = op @ cell`.

  Grosse-Kunstleve's algorithm, with its numbering of the steps, started from
  the Minkowski cell, which saves most steps.
  """
  start, first = minkowski_reduce(cell)
  op = np.eye(3, dtype=np.int64)  # columns are the vectors, as in the paper
  metric = start @ start.T
  eps = tolerance * abs(np.linalg.det(start)) ** (2 / 3)
  for _ in range(1000):
    change = _niggli_step(op.T @ metric @ op, eps)
    if change is None:
      return op.T @ first
    op = op @ np.asarray(change, np.int64)
  return op.T @ first  # Cells that tie within the tolerance are all valid.


def idealize(
  cell: Float[ArrayLike, '3 3'], tolerance: float = 1e-3
) -> Float[np.ndarray, '3 3']:
  """The cell with the symmetry that it has within a tolerance, made exact.

  The metric tensor is averaged over the integer matrices that preserve it
  within the tolerance. The basis stays; the orientation is as close as
  possible to the given one.

  Args:
    cell: A reduced cell, Å.
    tolerance: Largest change of the metric by such a matrix, relative to the
      lengths.
  """
  cell = _check_cell(cell)
  metric = cell @ cell.T
  lengths = np.sqrt(np.diag(metric))
  # Each row of such a matrix preserves a length: few rows qualify.
  squares = np.einsum('ni,ij,nj->n', _SHORT_VECTORS, metric, _SHORT_VECTORS)
  kept = [
    _SHORT_VECTORS[np.abs(squares / length**2 - 1) < 2 * tolerance]
    for length in lengths
  ]
  matrices = np.array(list(itertools.product(*kept)))
  matrices = matrices[np.abs(np.rint(np.linalg.det(matrices))) == 1]
  metrics = matrices @ metric @ matrices.transpose(0, 2, 1)
  change = np.abs(metrics - metric[None]) / np.outer(lengths, lengths)[None]
  mean = metrics[change.max(axis=(1, 2)) < 2 * tolerance].mean(axis=0)
  # The rotation that brings the ideal cell closest to the given one.
  ideal = np.linalg.cholesky(mean)
  u, _, v = np.linalg.svd(np.linalg.inv(ideal) @ cell)
  return ideal @ u @ v


def _niggli_step(metric, eps):
  """The matrix of the next reduction step, or None for a reduced metric."""
  a, b, c = np.diag(metric)
  xi, eta, zeta = 2 * metric[1, 2], 2 * metric[0, 2], 2 * metric[0, 1]

  def equal(x, y):
    return abs(x - y) <= eps

  def is_less(x, y):
    return x < y - eps

  if is_less(b, a) or (equal(a, b) and is_less(abs(eta), abs(xi))):  # 1
    return [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
  if is_less(c, b) or (equal(b, c) and is_less(abs(zeta), abs(eta))):  # 2
    return [[-1, 0, 0], [0, 0, -1], [0, -1, 0]]
  signs = _niggli_signs(xi, eta, zeta, eps)  # 3 and 4
  if signs is not None:
    return np.diag(signs)
  if (  # 5
    is_less(b, abs(xi))
    or (equal(b, xi) and is_less(2 * eta, zeta))
    or (equal(b, -xi) and is_less(zeta, 0))
  ):
    return [[1, 0, 0], [0, 1, -int(np.sign(xi))], [0, 0, 1]]
  if (  # 6
    is_less(a, abs(eta))
    or (equal(a, eta) and is_less(2 * xi, zeta))
    or (equal(a, -eta) and is_less(zeta, 0))
  ):
    return [[1, 0, -int(np.sign(eta))], [0, 1, 0], [0, 0, 1]]
  if (  # 7
    is_less(a, abs(zeta))
    or (equal(a, zeta) and is_less(2 * xi, eta))
    or (equal(a, -zeta) and is_less(eta, 0))
  ):
    return [[1, -int(np.sign(zeta)), 0], [0, 1, 0], [0, 0, 1]]
  total = xi + eta + zeta + a + b
  if is_less(total, 0) or (
    equal(total, 0) and is_less(0, 2 * (a + eta) + zeta)
  ):
    return [[1, 0, 1], [0, 1, 1], [0, 0, 1]]  # 8
  return None


def _niggli_signs(xi, eta, zeta, eps):
  """Signs that make all angles acute or none; None if no sign changes."""
  signs = [0 if abs(x) <= eps else int(np.sign(x)) for x in (xi, eta, zeta)]
  if signs.count(0) == 0 and np.prod(signs) > 0:
    want = [1, 1, 1]
    flips = [1 if s > 0 else -1 for s in signs]
  else:
    want = [-1, -1, -1]
    flips = [-1 if s > 0 else 1 for s in signs]
    if np.prod(flips) < 0:
      free = [i for i, s in enumerate(signs) if s == 0]
      if not free:
        return None
      flips[free[-1]] *= -1
  if all(s in (0, w) for s, w in zip(signs, want, strict=True)):
    return None
  return flips


def _check_cell(cell) -> np.ndarray:
  cell = np.array(cell, np.float64)
  if cell.shape != (3, 3):
    raise ValueError(f'Need a cell [3, 3], not {cell.shape}.')
  size = np.prod(np.linalg.norm(cell, axis=1))
  if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) <= 1e-9 * size:
    raise ValueError(
      f'A cell of zero volume: {cell.tolist()}. Give three independent vectors.'
    )
  return cell
