"""Band-limited periodic Gaussians in an orthogonal cell, axis by axis.

Where the three lattice vectors are at right angles, the squared length of a
reciprocal vector is a sum over axes. The band-limited periodic Gaussian is then
a product of three one-dimensional ones. Along an axis of n voxels, for an atom
at the fractional coordinate f and a width s in fractions of the axis,

  g[i] = Σ_k exp(-2π²s²k²) cos 2πk (i/n - f),

with k = 0 and n/2 once and all others up to n/2 twice. The density of all atoms
is one matrix product, [X·Y, atoms] @ [atoms, Z·C], and needs no FFT.

Where two axes are both at the Nyquist frequency of an even n, the real part of
a product is not the product of real parts. The difference is below 4e-6 of a
peak on 16³ voxels at a width of one voxel, and grows fast as atoms get
narrower. It is three products of axes, which `separable_density` adds on
request.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.density import wave_density
from crystal_jax.density.grids import CellGrid
from crystal_jax.density.precision import dot
from crystal_jax.density.split import Split, quantize

# Cosine of an angle between lattice vectors below which they are orthogonal.
# The density then errs by less than 1e-6 of a peak.
_RIGHT_ANGLE = 2e-7
# Largest mean density, in peaks of a single atom: above it, float32 sums of
# products round too much. `wave_density.cell_waves` adds the mean in double
# length instead.
_MAX_MEAN_PEAKS = 6.0


class AxisFactor(NamedTuple):
  """Single atoms along one axis of n voxels.

  Attributes:
    values: g above; its mean over the voxels is one.
    nyquist: The part of frequency n/2 that is 90° out of phase with `values`,
      without its sign (-1)^i; zero if n is odd.
  """

  values: Float[Array, 'N G']
  nyquist: Float[Array, 'N']


def axis_factors(
  fractional: Float[Array, 'N 3'] | Split,
  widths: Float[Array | np.ndarray, '3'],
  grid: CellGrid,
) -> tuple[AxisFactor, AxisFactor, AxisFactor]:
  """Each atom as one vector an axis.

  The density of atom m with weight w in a cell of volume V is the outer product
  `w / V * x.values[m] * y.values[m] * z.values[m]`, but for terms where two
  axes are both at the Nyquist frequency. Differentiable; the derivative by one
  fractional coordinate replaces the vector of that axis only.

  Args:
    fractional: Fractional coordinates; any real value.
    widths: Standard deviation of an atom, in fractions of each axis.
    grid: The cell's grid. Static.
  """
  if not isinstance(fractional, Split):
    coarse = quantize(fractional)
    fractional = Split(coarse, fractional - coarse)
  x, y, z = (
    _axis_factor(fractional.coarse[:, i], fractional.fine[:, i], widths[i], n)
    for i, n in enumerate(grid.shape)
  )
  return x, y, z


def separable_density(
  fractional: Float[Array, 'N 3'] | Split,
  weights: Float[Array, 'N C'],
  widths: Float[Array | np.ndarray, '3'],
  grid: CellGrid,
  *,
  double_nyquist: bool = False,
) -> Float[Array, 'X Y Z C']:
  """Weight per volume of the cell at the voxels of an orthogonal cell.

  Every slot counts: the weights of empty slots must be zero and their
  coordinates finite.

  Args:
    fractional: Fractional coordinates; any real value.
    weights: Channels of each atom.
    widths: Standard deviation of an atom, in fractions of each axis.
    grid: The cell's grid. Static.
    double_nyquist: Whether to add the terms at two Nyquist frequencies, with
      which the density is that of `wave_density.cell_waves` times the volume.
      Static. `needs_double_nyquist` says where they matter.
  """
  x, y, z = axis_factors(fractional, widths, grid)
  atoms = len(weights)
  pairs = x.values.T[:, None] * y.values.T[None]
  last = z.values[:, :, None] * weights[:, None]
  density = dot(pairs.reshape(-1, atoms), last.reshape(atoms, -1))
  density = density.reshape(*grid.shape, -1)
  if double_nyquist:
    density = density - _double_nyquist((x, y, z), weights, grid)
  return density


def orthogonal_waves(
  centers: Split,
  weights: Float[Array, 'M C'],
  sigma: Float[Array, ''],
  *,
  cell: Split,
  grid: CellGrid,
  double_nyquist: bool,
) -> Float[Array, 'X Y Z C']:
  """Weight per Å³ on a cell's grid up to the Nyquist frequency.

  Equal to `wave_density.cell_waves` where `is_separable`, but for derivatives
  by the cell, which need its angles.

  Arguments are those of `cell_waves` and `separable_density`.
  """
  lengths = jnp.linalg.norm(cell.value, axis=-1)
  return separable_density(
    wave_density.fractional(centers, cell),
    weights / jnp.prod(lengths),
    sigma / lengths,
    grid,
    double_nyquist=double_nyquist,
  )


def is_separable(
  cell: Float[np.ndarray, '*B 3 3'], atoms: int, sigma: float
) -> bool:
  """Whether the separable form is exact in all of some cells, on the host.

  Args:
    cell: Lattice vectors as rows, Å.
    atoms: Maximum number of atoms of a cell.
    sigma: Standard deviation of an atom, Å.
  """
  cell = np.asarray(cell, np.float64)
  lengths = np.linalg.norm(cell, axis=-1)
  with np.errstate(all='ignore'):
    unit = cell / lengths[..., None]
    cosines = unit @ np.swapaxes(unit, -1, -2) - np.eye(3)
    peaks = atoms * (2 * np.pi * sigma**2) ** 1.5 / lengths.prod(-1)
  # False for NaN.
  return bool(
    (np.abs(cosines) < _RIGHT_ANGLE).all() and (peaks < _MAX_MEAN_PEAKS).all()
  )


def needs_double_nyquist(
  cell: Float[np.ndarray, '*B 3 3'], sigma: float, grid: CellGrid
) -> bool:
  """Whether the terms at two Nyquist frequencies exceed 4e-6 of a peak."""
  lengths = np.linalg.norm(np.asarray(cell, np.float64), axis=-1)
  voxels = sigma / lengths * np.array(grid.shape)  # width in voxels
  even = np.array(grid.shape) % 2 == 0
  each = np.exp(-0.5 * (np.pi * voxels) ** 2) * np.sqrt(2 * np.pi) * voxels
  each = each * even / np.array(grid.shape)
  pairs = each * np.roll(each, 1, axis=-1)
  return bool(pairs.sum(-1).max(initial=0.0) > 4e-6)


def _axis_factor(coarse, fine, width, count: int) -> AxisFactor:
  """One axis; the frequencies of all atoms first, then one matrix product."""
  dtype = fine.dtype
  orders = np.arange(count // 2 + 1)
  twice = np.where((orders == 0) | (2 * orders == count), 1.0, 2.0)
  k = jnp.asarray(orders, dtype)
  envelope = jnp.exp(-2 * (np.pi * width * k) ** 2) * jnp.asarray(twice, dtype)
  turns = coarse[:, None] * k[None]
  turns = turns - jnp.round(turns) + fine[:, None] * k[None]
  angles = 2 * np.pi * turns
  cosines = jnp.cos(angles) * envelope[None]
  sines = jnp.sin(angles) * envelope[None]
  voxels = 2 * np.pi * np.outer(orders, np.arange(count)) / count
  waves = np.concatenate([np.cos(voxels), np.sin(voxels)])
  both = jnp.concatenate([cosines, sines], axis=1)
  values = dot(both, jnp.asarray(waves, dtype))
  # The sine of n/2 vanishes at every voxel, so `values` does not have it.
  nyquist = sines[:, -1] if count % 2 == 0 else jnp.zeros_like(sines[:, 0])
  return AxisFactor(values, nyquist)


def _double_nyquist(factors, weights, grid) -> Float[Array, 'X Y Z C'] | float:
  """The excess of the product of real parts at two Nyquist frequencies."""
  total: Array | float = 0.0
  for axis in range(3):
    other_axes = [i for i in range(3) if i != axis]
    if any(grid.shape[i] % 2 for i in other_axes):
      continue
    first, second = (factors[i].nyquist for i in other_axes)
    amplitude = weights * (first * second)[:, None]
    line = dot(factors[axis].values.T, amplitude)  # [G, C]
    shape = [1, 1, 1, line.shape[1]]
    shape[axis] = len(line)
    sign = np.ones(())
    for i in other_axes:
      signs = (-1.0) ** np.arange(grid.shape[i])
      sign = sign * signs.reshape([-1 if j == i else 1 for j in range(4)])
    total = total + jnp.asarray(sign, line.dtype) * line.reshape(shape)
  return total
