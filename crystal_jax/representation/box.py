"""Representation of the paper: a Z-weighted density and labels in a box.

Densities and labels are computed on the device at each step, at a new random
rotation. To decode, `decoding` finds the atoms of a density, and
`lattice_search` the lattice by which they repeat.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from crystal_jax import decoding, lattice_search
from crystal_jax.density import (
  BoxGrid,
  image_counts,
  images,
  label_species,
  voxelize_batch,
)
from crystal_jax.representation import augment, size_filter
from crystal_jax.representation.lattice_target import lattice_target
from crystal_jax.representation.protocol import Arrays, Examples
from crystal_jax.structure.crystal import Crystal

_BLOCK = 1 << 16  # Crystals per step of `Box.sized`.


@dataclasses.dataclass(frozen=True)
class Box:
  """A crystal in a box of voxels. Static.

  Attributes:
    grid: Grid of the densities.
    sigma: Standard deviation of an atom, Å.
    radius: Radius of the species labels, Å.
    filling: 'repeating', or 'single_cell' without periodic images.
    turn: Whether crystals are rotated at random.
    channels: [95, C], weight of each element in each channel; the first channel
      is the atomic number.
    lattice: Whether targets include the six numbers of `lattice_target`.
    max_images: Maximum number of images of atoms that may reach the box; 0: not
      known yet, see `sized`.
    max_decoded: Maximum number of atoms that are decoded.
  """

  grid: BoxGrid
  sigma: float
  radius: float
  filling: str
  turn: bool
  channels: tuple[tuple[float, ...], ...]
  lattice: bool
  max_images: int
  max_decoded: int

  def __post_init__(self):
    if self.filling not in augment.FILLINGS:
      raise ValueError(
        f'Need box.filling={self.filling!r} to be one of {augment.FILLINGS}.'
      )

  @property
  def repeats(self) -> bool:
    """Whether the box contains periodic images, and so the lattice."""
    return self.filling == 'repeating'

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of a density."""
    return {'density': (*self.grid.shape, len(self.channels[0]))}

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """The crystals that fit the box; see `Representation.prepare`."""
    names = 'id', 'numbers', 'positions', 'cell'
    kept = {name: arrays[name] for name in names}
    dropped: list[tuple[str, str]] = []
    if not self.repeats:
      kept, dropped = size_filter.keep_fitting(
        kept, length=self.grid.length, sigma=self.sigma
      )
    if self.lattice:
      pairs = zip(kept['cell'], kept['numbers'], strict=True)
      kept['lattice'] = np.array(
        [lattice_target(cell, (numbers > 0).sum()) for cell, numbers in pairs],
        np.float32,
      ).reshape(-1, 6)
    return kept, dropped

  def sized(self, *arrays: Arrays) -> 'Box':
    """The box with enough `max_images` for these crystals at any rotation.

    `max_images` is estimated from the mean density of the densest crystal, with
    a margin for uneven crystals. A crystal with more images is not `valid`.
    """
    if self.max_images:
      return self
    if not self.repeats:
      slots = max(part['numbers'].shape[1] for part in arrays)
      return dataclasses.replace(self, max_images=slots)
    max_images, reach = 1, float(images.cutoff(self.sigma, jnp.float32))
    blocks = (
      (part['numbers'][i : i + _BLOCK], part['cell'][i : i + _BLOCK])
      for part in arrays
      for i in range(0, len(part['cell']), _BLOCK)
    )
    for numbers, cell in blocks:
      densest = ((numbers > 0).sum(1) / np.abs(np.linalg.det(cell))).max()
      count = 1.1 * densest * (self.grid.length + 2 * reach) ** 3 + 50
      max_images = max(max_images, int(count))
    return dataclasses.replace(self, max_images=image_counts.ladder(max_images))

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Densities and labels; see `Representation.examples`.

    Inputs: density [B, G, G, G, C], weight per Å³. Targets: density, labels
    [B, G, G, G], positions [B, N, 3] and cell [B, 3, 3] in the frame of the
    box, Å, and lattice [B, 6] if `lattice`.

    Raises:
      ValueError: If `max_images` is not known yet.
    """
    if not self.max_images:
      raise ValueError('Call sized(arrays) first, or give max_images.')
    numbers = batch['numbers']
    place = functools.partial(self._place, key)
    positions, cell = jax.vmap(place)(dict(batch))
    table = jnp.asarray(np.asarray(self.channels, np.float32))
    periodic_cell = cell if self.repeats else None
    density = voxelize_batch(
      positions,
      table[numbers],
      periodic_cell,
      grid=self.grid,
      sigma=self.sigma,
      max_images=self.max_images,
    )

    def label(args):
      return label_species(
        *args, grid=self.grid, radius=self.radius, max_images=self.max_images
      )

    labels = jax.lax.platform_dependent(
      (positions, numbers, periodic_cell),
      cpu=functools.partial(jax.lax.map, label),
      default=jax.vmap(label),
    )
    complete = jnp.isfinite(density).all(axis=(1, 2, 3, 4))
    density = jnp.where(complete[:, None, None, None, None], density, 0.0)
    targets = {
      'density': density,
      'labels': jnp.where(complete[:, None, None, None], labels, 0),
      'positions': positions,
      'cell': cell,
    }
    if self.lattice:
      targets['lattice'] = batch['lattice']
    return Examples(
      inputs={'density': density},
      targets=targets,
      valid=batch['mask'].astype(jnp.float32) * complete,
    )

  def _place(self, key, example):
    """Positions and cell of one crystal in the frame of the box."""
    atoms = example['positions'], example['numbers'], example['cell']
    if key is not None:
      key = jax.random.fold_in(key, example['index'])
    return augment.place(
      key,
      *atoms,
      filling=self.filling,
      sample=example['sample'],
      rotate=self.turn,
    )

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of densities; see `Representation.crystals`."""
    found = self.atoms(outputs['density'], outputs.get('logits'))
    found = jax.device_get(found)
    return [
      self.crystal(jax.tree.map(lambda leaf: leaf[i], found))  # noqa: B023
      for i in range(len(found.positions))
    ]

  def atoms(
    self,
    density: Float[Array, 'B G G G C'],
    logits: Float[Array, 'B G G G K'] | None = None,
  ) -> decoding.DecodedAtoms:
    """The atoms of a batch of densities; `overflow` if slots were too few."""
    return decoding.decode_batch(
      density[..., 0],
      grid=self.grid,
      sigma=self.sigma,
      logits=logits,
      max_atoms=self.max_decoded,
      warn=False,
    )

  def crystal(self, atoms: decoding.DecodedAtoms) -> Crystal | str:
    """The crystal of the atoms in one box, or the reason why there is none."""
    if not self.repeats:
      return 'a box with a single cell does not show the lattice'
    try:
      return lattice_search.assemble(atoms, lattice_search.find_lattice(atoms))
    except ValueError as error:
      return str(error)
