"""Representation of a crystal on its own cell: a density and six numbers.

The standard frame of a crystal (`frame`) is mapped into a unit cube, whatever
its lattice: every atom is a round Gaussian on a periodic grid, one channel for
each number of its element's code (`elements.element_codes`). The lattice is six
numbers beside it. To decode, the peaks of the first channel are the atoms, the
codes there their species, and the six numbers the lattice.

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
  occupancy_peaks,
  readout,
  standard_frames,
)
from crystal_jax.representation.peak_config import PeakConfig
from crystal_jax.representation.protocol import Arrays, Examples
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class Cell:
  """A crystal on the grid of its own cell. Static.

  Attributes:
    size: Voxels a side, G.
    sigma: Standard deviation of an atom, voxels.
    max_atoms: Maximum number of atoms of a primitive cell.
    closest: Smallest distance between two atoms on the grid, voxels; crystals
      with nearer atoms are refused.
    niggli_tolerance: Tolerance of the standard frame, Å²; see
      `frame.standard_frame`.
    peaks: Settings of the search for atoms in a decoded occupancy.
  """

  size: int
  sigma: float
  max_atoms: int
  closest: float
  niggli_tolerance: float = 0.0
  peaks: PeakConfig = dataclasses.field(default=PeakConfig(), repr=False)

  @property
  def grid(self) -> CellGrid:
    """Where densities are sampled."""
    return CellGrid(self.size)

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shapes of a density and of the lattice numbers."""
    channels = elements.element_codes().shape[1]
    return {'density': (*[self.size] * 3, channels), 'lattice': (6,)}

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Standard frames; see `Representation.prepare`.

    Columns: those of `standard_frames.standard_frames`.
    """
    return standard_frames.standard_frames(
      arrays,
      self.max_atoms,
      self._refuse,
      niggli_tolerance=self.niggli_tolerance,
    )

  def _refuse(self, crystal: standard_frames.Frame) -> str | None:
    """The reason why the grid does not resolve the atoms, or None."""
    distance = _shortest_distance(crystal[1]) * self.size
    if distance < self.closest:
      return (
        f'two atoms are {distance:.2f} voxels from each other in fractional '
        f'coordinates, nearer than {self.closest}: the grid does not resolve '
        'them'
      )
    return None

  def sized(self, *arrays: Arrays) -> Cell:
    """Returns itself: no shape depends on the crystals."""
    return self

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Densities and lattices; see `Representation.examples`.

    Nothing is random: a crystal has one standard frame. Inputs: density
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
    """True: the grid is that of the unit cell."""
    return True

  @property
  def lattice_is_exact(self) -> bool:
    """True: the latent contains the six lattice numbers unchanged."""
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
    return {'density': density, 'lattice': lattice_numbers.from_cells(cell)}

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Position of a voxel, Å; see `Invertible.voxel_to_cartesian`."""
    return voxel / self.size @ cell

  def _density(self, codes, fractional):
    """The density in units of an isolated atom's height."""
    widths = np.full(3, self.sigma / self.size)
    height = float(((2 * np.pi) ** 0.5 * widths[0]) ** 3)

    def one(codes, fractional):
      return height * separable_density(fractional, codes, widths, self.grid)

    return jax.vmap(one)(codes, fractional)

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of the networks' outputs; see `Representation.crystals`.

    Args:
      outputs: occupancy [B, G, G, G], codes [B, G, G, G, C], lattice [B, 6],
        and optionally offsets [B, G, G, G, 3] and code_offsets [B, E, C].
    """
    occupancy = jnp.asarray(outputs['occupancy'])
    is_finite = np.isfinite(np.asarray(occupancy)).all(axis=(1, 2, 3))
    occupancy = jnp.where(
      jnp.asarray(is_finite)[:, None, None, None], occupancy, 0
    )
    fractional, filled, overflow = occupancy_peaks.find_peaks(
      occupancy, sigma=self.sigma, slots=self._slots, config=self.peaks
    )
    read = readout.read(
      fractional * self.size,
      jnp.asarray(outputs['codes']),
      outputs.get('offsets'),
      outputs.get('code_offsets'),
      periodic=True,
    )
    (squared_distances, voxels), filled, overflow = jax.device_get(
      (read, filled, overflow)
    )
    numbers = readout.numbers(squared_distances)
    lattices = np.asarray(outputs['lattice'], np.float64)
    crystals: list[Crystal | str] = []
    for i in range(len(occupancy)):
      cell = lattice_numbers.to_cell(lattices[i])
      if not is_finite[i]:
        crystals.append('the latent decodes to numbers that are not finite')
      elif not filled[i].any():
        crystals.append('there is no atom in the decoded density')
      elif overflow[i]:
        crystals.append(
          f'the decoded density has more peaks than {self._slots}, the most '
          'atoms that are decoded'
        )
      elif cell is None:
        crystals.append('no cell has the decoded lattice angles')
      else:
        positions = voxels[i][filled[i]] / self.size @ cell
        crystals.append(Crystal(numbers[i][filled[i]], positions, cell))
    return crystals

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """Empty lists: the lattice is exact; see `Invertible.candidates`."""
    del outputs
    return [[] for _ in indices]

  def code_field(
    self, numbers: Int[ArrayLike, 'B']
  ) -> Float[Array, 'B G G G C']:
    """The codes of one element at every voxel; see `Coded.code_field`."""
    codes = jnp.asarray(elements.element_codes(), jnp.float32)[numbers]
    shape = (len(codes), *[self.size] * 3, codes.shape[-1])
    return jnp.broadcast_to(codes[:, None, None, None], shape)

  @property
  def _slots(self) -> int:
    """Slots of decoded atoms: a few more than a crystal may have."""
    return -(-self.max_atoms // 8) * 8 + 8


def _shortest_distance(fractional) -> float:
  """Shortest distance between two atoms in the unit cube."""
  offsets = fractional[:, None] - fractional[None]
  offsets -= np.rint(offsets)
  distances = np.linalg.norm(offsets, axis=-1)
  distances += np.diag(np.full(len(distances), 9.0))
  return float(distances.min())
