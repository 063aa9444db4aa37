"""Gaussian atoms in a periodic cell: residual, normal equations, filters.

The density of a cell is a Fourier sum with the atoms' structure factors, which
are separable in the fractional coordinates. All fits are made to the Fourier
coefficients. The entries of JᵀJ are overlaps of two Gaussians, which are
Gaussians √2 wider, summed over images.

If the voxels are farther apart than σ, each coefficient of a density that was
sampled at points contains its aliases; that of a band-limited density does not.
Both are modelled.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax.decoding import aliases as aliasing
from crystal_jax.decoding import box, cell_residual, fourier, overlaps
from crystal_jax.density import grids
from crystal_jax.density.precision import dot

# Maximum number of slots for which the normal matrix is summed over Fourier
# coefficients; for more it takes too long. Chosen by hand.
MAX_DIRECT_SLOTS = 32


@dataclasses.dataclass(frozen=True)
class CellSpace:
  """A cell, its grid and the width of its atoms, a `space.Space`.

  Attributes:
    grid: The grid.
    sigma: Width of an atom, Å.
    cell: Lattice vectors as rows, Å.
    aliased: Whether the density was sampled at points (True) or is limited to
      the frequencies of the grid (False). Makes no difference if the grid
      resolves σ.
    inverse: Inverse of the cell; its columns are the reciprocal vectors
      without 2π.
    volume: Volume of the cell, Å³.
    envelope: Amplitude of each coefficient of an atom of weight one, as
      `fourier.lines`; computed once, not at each step of a fit.
    aliases: Result of `aliases.significant_aliases`; None if only a density
      without aliases is modelled.
  """

  grid: grids.CellGrid
  sigma: float
  cell: Float[Array, '3 3']
  aliased: Array | bool
  inverse: Float[Array, '3 3']
  volume: Float[Array, '']
  envelope: Float[Array, 'L M']
  aliases: tuple[Array, Float[Array, 'A 3']] | None

  periodic = True

  @classmethod
  def of(
    cls,
    grid: grids.CellGrid,
    sigma: float,
    cell: Float[Array, '3 3'],
    aliased: Array | bool = False,
  ) -> CellSpace:
    """The space of a cell, with the arrays derived from it."""
    inverse = jnp.linalg.inv(cell)
    volume = jnp.abs(jnp.linalg.det(cell))
    empty = jnp.zeros((0, 0), cell.dtype)
    bare = cls(grid, sigma, cell, aliased, inverse, volume, empty, None)
    aliases = None if aliased is False else bare._significant_aliases(aliased)
    envelope = fourier.lines(bare.damping())
    return dataclasses.replace(bare, envelope=envelope, aliases=aliases)

  def coarse(self) -> Array:
    """Whether voxels are farther apart than σ along an axis.

    A band-limited density then rings, and more so when sharpened.
    """
    size = jnp.sqrt(jnp.sum(self.cell**2, axis=1))
    return jnp.any(size > self.sigma * self.shape(size.dtype)[0])

  def ringing(self) -> Array:
    """As `Space.ringing`."""
    return jnp.where(self.coarse(), 0.2, 0.05)

  def prepare(self, density: Float[Array, 'X Y Z']) -> Float[Array, 'L M']:
    """Fourier coefficients of a density, half of them, as `fourier.lines`.

    Those at Nyquist of an even number of voxels, where one coefficient stands
    for two frequencies, are zero.
    """
    spectrum = jnp.fft.rfftn(density) / density.size * self._below_nyquist()
    return fourier.lines(spectrum)

  def residual(self, density, target, rest) -> Float[Array, 'X Y Z']:
    """As `Space.residual`."""
    del density, target
    x, y, z = self.grid.shape
    spectrum = fourier.spectrum(rest, (x, y, z // 2 + 1))
    field = jnp.fft.irfftn(spectrum, s=self.grid.shape, axes=(0, 1, 2))
    return field * np.prod(self.grid.shape)

  def squared_residual(
    self,
    target: Float[Array, 'L M'],
    positions: Float[Array, 'K 3'],
    weights: Float[Array, 'K'],
  ) -> tuple[Array, Float[Array, '4 K'], Array]:
    """As `Space.squared_residual`, on Fourier coefficients."""
    return cell_residual.squared_residual(self, target, positions, weights)

  def normal(
    self, positions: Float[Array, 'K 3'], weights: Float[Array, 'K']
  ) -> Float[Array, '4*K 4*K']:
    """As `Space.normal`.

    The voxel sum is replaced by the integral, except for a few atoms on a
    coarse band-limited grid, where the integral is inaccurate.
    """
    if len(weights) > MAX_DIRECT_SLOTS or self.aliased is True:
      return overlaps.normal(self, positions, weights)
    return jax.lax.cond(
      self.coarse()
      & ~jnp.asarray(self.aliased)
      & overlaps.has_few_coefficients(self),
      functools.partial(overlaps.band_limited, self),
      functools.partial(overlaps.normal, self),
      positions,
      weights,
    )

  def peak(self, width: float | None = None) -> float:
    """As `Space.peak`."""
    return (2 * np.pi * (width or self.sigma) ** 2) ** -1.5

  def correlate(self, residual: Float[Array, 'X Y Z']) -> Array:
    """As `Space.correlate`."""
    scale = (4 * np.pi * self.sigma**2) ** 1.5
    return self._filter(residual, self.spectrum(self.sigma) * scale)

  def sharpen(self, density, levels, level) -> Array:
    """As `Space.sharpen`: a Wiener filter."""
    filters = [functools.partial(self._inverse_blur, *one) for one in levels]
    return self._filter(density, jax.lax.switch(level, filters))

  def smooth(self, field: Float[Array, 'X Y Z']) -> Array:
    """As `Space.smooth`."""
    return self._filter(field, self.spectrum(box.SMOOTH))

  def margin(self) -> int:
    """As `Space.margin`: a cell has no walls."""
    return 0

  def gain(self, width: float, ridge: float) -> Array:
    """As `Space.gain`."""
    return jnp.sqrt(jnp.mean(self._inverse_blur(width, ridge) ** 2))

  def _inverse_blur(self, width, ridge):
    blur = self.spectrum(np.sqrt(abs(self.sigma**2 - width**2)))
    if width > self.sigma:
      return blur
    return blur / (blur**2 + ridge)

  def _filter(self, field, filtering):
    spectrum = jnp.fft.rfftn(field) * filtering
    return jnp.fft.irfftn(spectrum, s=self.grid.shape, axes=(0, 1, 2))

  def locate(self, index: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """As `Space.locate`."""
    return dot(index / self.shape(index.dtype), self.cell)

  def voxel(self, positions: Float[Array, 'K 3']) -> Array:
    """As `Space.voxel`."""
    shape = self.shape(positions.dtype)
    index = jnp.round(dot(positions, self.inverse) * shape)
    return (index % shape).astype(jnp.int32)

  def distances(self, a: Float[Array, 'K 3'], b: Float[Array, 'L 3']) -> Array:
    """As `Space.distances`."""
    a, b = dot(a, self.inverse).T, dot(b, self.inverse).T
    steps = a[:, :, None] - b[:, None, :]
    x, y, z = steps - jnp.round(steps)
    # An axis at a time: a product with so small a matrix is slow.
    parts = (x * u + y * v + z * w for u, v, w in self.cell.T)
    return jnp.sqrt(sum(part**2 for part in parts))

  def fold(self, positions):
    """As `Space.fold`: inside the cell."""
    fractional = dot(positions, self.inverse)
    return dot(fractional - jnp.floor(fractional), self.cell)

  def inside(self, positions: Float[Array, 'K 3'], beyond=0.0) -> Array:
    """As `Space.inside`: a cell has no walls."""
    del beyond
    return jnp.ones(len(positions), bool)

  def shape(self, dtype) -> Float[Array, '1 3']:
    """Voxels along each axis, as an array."""
    return jnp.asarray(self.grid.shape, dtype)[None]

  def _below_nyquist(self):
    """1, and 0 at Nyquist of an even number of voxels, [X, Y, Z//2 + 1]."""
    x, y, z = (
      jnp.abs(k) < n / 2
      for k, n in zip(self.orders(), self.grid.shape, strict=True)
    )
    keep = x[:, None, None] & y[None, :, None] & z[None, None]
    return keep.astype(self.cell.dtype)

  def orders(self, shift=(0.0, 0.0, 0.0)):
    """Integer frequencies of the half spectrum along each axis, plus a shift.

    At Nyquist of an even number n, -n/2 stands for both, as in `voxelize`.
    """
    orders = [np.fft.fftfreq(n, 1 / n) for n in self.grid.shape]
    orders[2] = orders[2][: self.grid.shape[2] // 2 + 1]
    dtype = self.cell.dtype
    return [
      jnp.asarray(o, dtype) + s for o, s in zip(orders, shift, strict=True)
    ]

  def spectrum(self, width, shift=(0.0, 0.0, 0.0)) -> Float[Array, 'X Y Z']:
    """exp(-width² |G|² / 2) at the frequencies of the half spectrum."""
    square = 0.0
    orders = self.orders(shift)
    for row in self.inverse:  # the Cartesian components of G / 2π
      x, y, z = (k * r for k, r in zip(orders, row, strict=True))
      square += (x[:, None, None] + y[None, :, None] + z[None, None]) ** 2
    return jnp.exp(-2 * (np.pi * width) ** 2 * square)

  def damping(self, shift=(0.0, 0.0, 0.0)) -> Float[Array, 'X Y Z']:
    """Amplitude of each coefficient of an atom of weight one."""
    spectrum = self.spectrum(self.sigma, shift)
    return spectrum / self.volume * self._below_nyquist()

  def resolved(self) -> Array:
    """Whether the grid resolves the density, to 1e-5 of an atom's."""
    return self._significant_aliases(True)[0] == 1

  def _significant_aliases(self, aliased):
    return aliasing.significant_aliases(
      self.grid, self.sigma, self.cell, aliased
    )
