"""Interface of grids for the decoder: a box with walls or a periodic cell.

`pursuit`, `refit` and `species` use a grid only through this interface. Two
classes implement it: `box.BoxSpace`, whose sums are over the voxels of the box,
and `cell.CellSpace`, whose sums are over Fourier coefficients.
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

  # Resolution.

  def coarse(self) -> Bool[Array, '']:
    """Whether voxels are farther apart than σ."""

  def ringing(self) -> Float[Array, '']:
    """Height of the ringing around a sharpened atom, as a share of its peak."""

  # The fit.

  def prepare(self, density: Float[Array, 'X Y Z']) -> Float[Array, '*T']:
    """The target of fits: the density in the form in which it is fitted."""

  def residual(self, density, target, rest) -> Float[Array, 'X Y Z']:
    """The residual of a fit, on the grid.

    Args:
      density: The density on the grid.
      target: Result of `prepare` for the density.
      rest: The residual from `squared_residual`, in the form of the target.
    """

  def squared_residual(
    self,
    target: Float[Array, '*T'],
    positions: Float[Array, 'K 3'],
    weights: Float[Array, 'K'],
  ) -> tuple[Float[Array, ''], Float[Array, '4 K'], Float[Array, '*T']]:
    """The sum of squared residuals, half its gradient, and the residual.

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
    """The fitted weight of a single atom at each voxel.

    The matched filter g ⋆ r / g ⋆ g.
    """

  def sharpen(
    self,
    density: Float[Array, 'X Y Z'],
    levels: list[tuple[float, float]],
    level: Int[Array, ''],
  ) -> Array:
    """The density with narrower atoms.

    Args:
      density: The density on the grid.
      levels: (width in Å, ridge that limits the noise) of each level. A width
        above σ blurs instead. Static.
      level: Index into the levels.
    """

  def gain(self, width: float, ridge: float) -> Float[Array, '']:
    """Root mean square amplification of white noise by sharpening."""

  def smooth(self, field: Float[Array, 'X Y Z']) -> Array:
    """The field blurred by the width of labels."""

  def margin(self) -> int:
    """Number of voxels by which a sharpened field extends past each wall."""

  # Positions.

  def locate(self, index: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """Positions, Å, of (fractional) voxel indices of a sharpened field."""

  def voxel(self, positions: Float[Array, 'K 3']) -> Int[Array, 'K 3']:
    """Indices of the nearest voxels."""

  def distances(
    self, a: Float[Array, 'K 3'], b: Float[Array, 'L 3']
  ) -> Float[Array, 'K L']:
    """Distances, Å; to the nearest image if the space is periodic."""

  def fold(self, positions: Float[Array, 'K 3']) -> Float[Array, 'K 3']:
    """Positions as they are returned: in a cell, moved into it."""

  def inside(
    self, positions: Float[Array, 'K 3'], beyond: float = 0.0
  ) -> Bool[Array, 'K']:
    """Whether positions are inside the walls, or at most `beyond` Å outside."""
