"""A crystal in its own coordinates: fractional density, and six numbers.

The standard frame of a crystal (`frame`) is laid into a unit cube, whatever its
lattice: every atom is one round Gaussian on a periodic grid, one channel a
number of its element's code (`elements.element_codes`). The lattice is six
numbers beside it. Back, the peaks of the first channel are the atoms, the codes
there their species, and the six numbers the lattice.

Widths are in voxels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from crystal_jax.density import CellGrid
from crystal_jax.density.separable_density import separable_density
from crystal_jax.representation import (
  lattice_numbers,
  readout,
  standard_frames,
  unit_atoms,
)
from crystal_jax.representation.protocol import Arrays, Examples
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class Cell:
  """A crystal on the grid of its own cell. Static.

  Attributes:
    size: Voxels a side, G.
    sigma: Standard deviation of an atom, voxels.
    max_atoms: Most atoms of a primitive cell.
    closest: Atoms nearer to each other on the grid, in voxels, run into one.
  """

  size: int
  sigma: float
  max_atoms: int
  closest: float

  @property
  def grid(self) -> CellGrid:
    """Where densities are sampled."""
    return CellGrid(self.size)

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Of a density and the six numbers."""
    channels = elements.element_codes().shape[1]
    return {'density': (*[self.size] * 3, channels), 'lattice': (6,)}

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Standard frames; see `Representation.prepare`.

    Columns: those of `standard_frames.standard_frames`.
    """
    return standard_frames.standard_frames(arrays, self.max_atoms, self._refuse)

  def _refuse(self, found: standard_frames.Frame) -> str | None:
    """Why the grid does not tell the atoms apart, or None."""
    apart = _closest(found[1]) * self.size
    if apart < self.closest:
      return (
        f'two atoms are {apart:.2f} voxels apart in fractional coordinates, '
        f'nearer than {self.closest}: the grid does not tell them apart'
      )
    return None

  def sized(self, *arrays: Arrays) -> Cell:
    """Itself: no shape depends on the crystals."""
    return self

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Densities and lattices; see `Representation.examples`.

    Nothing is drawn: a crystal has one standard frame. Inputs: density
    [B, G, G, G, C] in heights of an isolated atom, lattice [B, 6]. Targets:
    those of `Coded`.
    """
    numbers, fractional = batch['numbers'], batch['fractional']
    table = jnp.asarray(elements.element_codes(), jnp.float32)
    density = self._density(table[numbers], fractional)
    occupancy = density[..., 0]
    return Examples(
      inputs={'density': density, 'lattice': batch['lattice']},
      targets={
        'numbers': numbers,
        'voxel_positions': fractional * self.size,
        'positions': jnp.einsum('bni,bij->bnj', fractional, batch['cell']),
        'cell': batch['cell'],
        'lattice': batch['lattice'],
        'occupancy': occupancy,
        'codes': density / jnp.maximum(occupancy, 1e-3)[..., None],
      },
      valid=batch['mask'].astype(jnp.float32),
    )

  @property
  def periodic(self) -> bool:
    """The grid is that of the unit cell."""
    return True

  @property
  def lattice_is_exact(self) -> bool:
    """The six numbers go through the latent as they are."""
    return True

  def encoder_inputs(
    self,
    codes: Float[Array, 'B N C'],
    positions: Float[Array, 'B N 3'],
    cell: Float[Array, 'B 3 3'],
  ) -> dict[str, Array]:
    """Inputs of decoded crystals; see `Invertible.encoder_inputs`."""
    inverse = jnp.linalg.inv(cell)
    fractional = jnp.einsum(
      'bni,bij->bnj', positions, inverse, precision='highest'
    )
    density = self._density(codes, fractional)
    return {'density': density, 'lattice': lattice_numbers.of_cells(cell)}

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Where a voxel is in a crystal, Å; see `Invertible.voxel_to_cartesian`."""
    return voxel / self.size @ cell

  def _density(self, codes, fractional):
    """The density, in heights of a lone atom."""
    widths = np.full(3, self.sigma / self.size)
    height = float(((2 * np.pi) ** 0.5 * widths[0]) ** 3)

    def one(codes, fractional):
      return height * separable_density(fractional, codes, widths, self.grid)

    return jax.vmap(one)(codes, fractional)

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of what networks say; see `Representation.crystals`.

    Args:
      outputs: occupancy [B, G, G, G], codes [B, G, G, G, C], lattice [B, 6],
        and if there are any offsets [B, G, G, G, 3] and code_offsets
        [B, E, C].
    """
    occupancy = jnp.asarray(outputs['occupancy'])
    finite = np.isfinite(np.asarray(occupancy)).all(axis=(1, 2, 3))
    occupancy = jnp.where(
      jnp.asarray(finite)[:, None, None, None], occupancy, 0
    )
    places, masks, overflow = unit_atoms.unit_atoms(
      occupancy, sigma=self.sigma, slots=self._slots
    )
    read = readout.read(
      places * self.size,
      jnp.asarray(outputs['codes']),
      outputs.get('offsets'),
      outputs.get('code_offsets'),
      periodic=True,
    )
    (apart, voxels), masks, overflow = jax.device_get((read, masks, overflow))
    numbers = readout.numbers(apart)
    lattices = np.asarray(outputs['lattice'], np.float64)
    crystals = []
    for i in range(len(occupancy)):
      mask = masks[i]
      cell = lattice_numbers.to_cell(lattices[i])
      if not finite[i]:
        crystals.append('the latent decodes to numbers that are not finite')
      elif not mask.any():
        crystals.append('there is no atom in the decoded density')
      elif overflow[i]:
        crystals.append('the decoded density has more peaks than atoms may be')
      elif cell is None:
        crystals.append('the decoded lattice is none: no cell has these angles')
      else:
        positions = voxels[i][mask] / self.size @ cell
        crystals.append(Crystal(numbers[i][mask], positions, cell))
    return crystals

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """None: the lattice is exact; see `Invertible.candidates`."""
    del outputs
    return [[] for _ in indices]

  def code_field(
    self, numbers: Int[ArrayLike, 'B']
  ) -> Float[Array, 'B G G G C']:
    """What networks would say of species if all atoms were of one element."""
    codes = jnp.asarray(elements.element_codes(), jnp.float32)[numbers]
    shape = (len(codes), *[self.size] * 3, codes.shape[-1])
    return jnp.broadcast_to(codes[:, None, None, None], shape)

  @property
  def _slots(self) -> int:
    """Atoms that are looked for, some more than there may be."""
    return -(-self.max_atoms // 8) * 8 + 8


def _closest(fractional) -> float:
  """Shortest distance between two atoms in the unit cube."""
  apart = fractional[:, None] - fractional[None]
  apart -= np.rint(apart)
  apart = np.linalg.norm(apart, axis=-1) + np.diag(np.full(len(apart), 9.0))
  return float(apart.min())
