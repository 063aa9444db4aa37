"""Atoms to training examples, on the device, inside the step.

The pipeline carries some twenty floats an atom; densities and labels are made
here, freshly rotated, and never leave the device.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from crystal_jax.density.grids import CellGrid, Grid
from crystal_jax.density.labels import label_species
from crystal_jax.density.voxelize import voxelize_batch
from crystal_jax.representation import augment


@struct.dataclass
class Examples:
  """Densities and labels of a batch.

  Attributes:
    density: Channel 0 weighs atoms by their number, Å⁻³.
    labels: Atomic number near an atom, else 0.
    valid: 1, or 0 for padding and for what did not fit `max_images`.
    overflowed: 1 for what did not fit `max_images`.
    positions, cell: As placed in the grid, Å.
  """

  density: Float[Array, 'B G G G C']
  labels: Int[Array, 'B G G G']
  valid: Float[Array, 'B']
  overflowed: Float[Array, 'B']
  positions: Float[Array, 'B N 3']
  cell: Float[Array, 'B 3 3']


@dataclasses.dataclass(frozen=True)
class ExampleMaker:
  """How atoms become examples. Static.

  Attributes:
    grid: Where densities are sampled.
    sigma: Standard deviation of an atom, Å.
    radius: Of the species labels, Å.
    filling: 'single_cell' or 'repeating'; a cell grid always repeats.
    max_images: Most images of atoms that may reach the grid.
    turn: Whether crystals are turned at random (in a cell grid: shifted).
    channels: [95, C], what an element contributes to each channel.
  """

  grid: Grid
  sigma: float
  radius: float
  filling: str
  max_images: int
  turn: bool
  channels: tuple[tuple[float, ...], ...]

  @property
  def repeats(self) -> bool:
    """Whether the grid shows the images of the atoms."""
    return isinstance(self.grid, CellGrid) or self.filling == 'repeating'

  def __call__(self, key: Array, batch: dict[str, Array]) -> Examples:
    """Examples of one device's batch.

    Args:
      key: Of this step; an example draws by its place in the global batch, so
        that the draw does not depend on how many devices there are.
      batch: `numbers [B, N]`, `positions [B, N, 3]`, `cell [B, 3, 3]`,
        `index [B]`, `sample [B]` and `mask [B]`.
    """
    numbers = batch['numbers']
    positions, cell = jax.vmap(self._place, (None, 0))(key, batch)
    table = jnp.asarray(np.asarray(self.channels, np.float32))
    images = dict(grid=self.grid, max_images=self.max_images)
    repeats = cell if self.repeats else None
    density = voxelize_batch(
      positions,
      table[numbers],
      repeats,
      sigma=self.sigma,
      # What a long cell's grid cannot resolve is better not there at all.
      band_limit=isinstance(self.grid, CellGrid),
      **images,
    )

    def label(args):
      return label_species(*args, radius=self.radius, **images)

    labels = jax.lax.platform_dependent(
      (positions, numbers, repeats),
      cpu=functools.partial(jax.lax.map, label),
      default=jax.vmap(label),
    )
    fits = jnp.isfinite(density).all(axis=(1, 2, 3, 4))
    real = batch['mask'].astype(jnp.float32)
    return Examples(
      density=jnp.where(fits[:, None, None, None, None], density, 0.0),
      labels=jnp.where(fits[:, None, None, None], labels, 0),
      valid=real * fits,
      overflowed=real * ~fits,
      positions=positions,
      cell=cell,
    )

  def _place(self, key, example):
    """Positions and cell as the grid sees them."""
    key = jax.random.fold_in(key, example['index'])
    atoms = example['positions'], example['numbers'], example['cell']
    if isinstance(self.grid, CellGrid):
      positions, _, cell = atoms
      return (augment.shift(key, *atoms) if self.turn else positions), cell
    return augment.place(
      key,
      *atoms,
      filling=self.filling,
      sample=example['sample'],
      rotate=self.turn,
    )
