"""Where a density lives: what a box with walls and a periodic cell share.

The search (`pursuit`), the refit and the vote on species know no more of a grid
than this. Two keep it: `box.BoxSpace`, whose sums are over the voxels there
are, and `cell.CellSpace`, whose sums are over Fourier coefficients.
"""

from typing import Protocol

from jaxtyping import Array, Bool, Float, Int


class Space(Protocol):
  """A grid and the width of the Gaussian atoms on it.

  Attributes:
    sigma: Width of an atom, Å.
    periodic: Whether voxels at opposite sides are neighbours.
  """

  sigma: float
  periodic: bool

  # What the grid resolves.

  def coarse(self) -> Bool[Array, '']:
    """Whether voxels lie farther apart than σ."""

  def ringing(self) -> Float[Array, '']:
    """Height of the ringing around a sharpened atom, of its peak."""

  # The fit.

  def prepare(self, density: Float[Array, 'X Y Z']) -> Float[Array, '*T']:
    """The density in the form that fits are made in, the target."""

  def residual(self, density, target, left) -> Float[Array, 'X Y Z']:
    """What a fit left unexplained, on the grid.

    Args:
      density: On the grid.
      target: What `prepare` made of it.
      left: What `misfit` left of that.
    """

  def misfit(
    self,
    target: Float[Array, '*T'],
    positions: Float[Array, 'K 3'],
    weights: Float[Array, 'K'],
  ) -> tuple[Float[Array, ''], Float[Array, '4 K'], Float[Array, '*T']]:
    """The squared misfit, half its gradient, and the misfit.

    Returns:
      The sum of squares over voxels, -½ of its gradient by (x, y, z, w), and
      the residual in the form of the target.
    """

  def normal(
    self, positions: Float[Array, 'K 3'], weights: Float[Array, 'K']
  ) -> Float[Array, '4*K 4*K']:
    """JᵀJ, parameters in the order x of all atoms, y, z, w."""

  def peak(self, width: float | None = None) -> float:
    """Height of an atom of weight one, of this or another width, per Å³."""

  # Filters.

  def correlate(self, residual: Float[Array, 'X Y Z']) -> Array:
    """Weight that one atom would take of the residual alone, here and there.

    The matched filter g ⋆ r / g ⋆ g.
    """

  def sharpen(
    self,
    density: Float[Array, 'X Y Z'],
    levels: list[tuple[float, float]],
    level: Int[Array, ''],
  ) -> Array:
    """The density as atoms of a narrower width would show it.

    Args:
      density: On the grid.
      levels: Widths, Å, and the ridges that hold the noise. A width above σ
        blurs instead. Static.
      level: Which of them.
    """

  def gain(self, width: float, ridge: float) -> Float[Array, '']:
    """What sharpening multiplies white noise with, root mean square."""

  def smooth(self, field: Float[Array, 'X Y Z']) -> Array:
    """A map of blobs as wide as labels are, made smooth."""

  def margin(self) -> int:
    """Voxels past each side that sharpening looks at."""

  # Places.

  def locate(self, index: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """Å from (fractional) voxel indices of a sharpened field."""

  def voxel(self, positions: Float[Array, 'K 3']) -> Int[Array, 'K 3']:
    """Indices of the nearest voxels."""

  def distances(
    self, a: Float[Array, 'K 3'], b: Float[Array, 'L 3']
  ) -> Float[Array, 'K L']:
    """How far apart, Å, the nearest images if it is periodic."""

  def fold(self, positions: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """Positions as they are reported."""

  def inside(
    self, positions: Float[Array, 'K 3'], beyond: float = 0.0
  ) -> Bool[Array, 'K']:
    """Not outside a wall, or not so far, Å."""
