"""Representation by element codes in a box around a crystal.

Every crystal is brought to its standard frame (`frame`), a along x and b in the
xy plane; the box is centred on the centre of that cell. Nothing is random. Each
atom is a round Gaussian, one channel for each number of its
element's code (`elements.element_codes`).

To decode, the peaks of the first channel are the atoms, the codes there their
species. If the box holds periodic images, the lattice is found from their
repetition (`repeating`). If it holds a single cell, the lattice is the one that
the networks predict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from crystal_jax import decoding
from crystal_jax.density import voxelize_batch
from crystal_jax.representation import (
  atoms_inside,
  lattice_numbers,
  readout,
  repeating,
  size_filter,
)
from crystal_jax.representation.box import Box
from crystal_jax.representation.protocol import Arrays, Examples
from crystal_jax.representation.standard_frames import standard_frames
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal

# Smallest `max_images` in general, and for crystals of one atom. Few crystals
# of the Materials Project need more in a box of 10 Å, so most share a trace.
_IMAGES, _IMAGES_OF_ONE = 768, 96


@dataclasses.dataclass(frozen=True)
class CodedBox:
  """A crystal in its standard frame in a box of voxels. Static.

  Attributes:
    box: The box; its channels are element codes, and it does not rotate.
  """

  box: Box

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shapes of a density and, for a single cell, of the lattice numbers."""
    lattice = {} if self.box.repeats else {'lattice': (6,)}
    return self.box.input_shapes | lattice

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Crystals in the frame of the box; see `Representation.prepare`.

    Columns: id, numbers [M, N], positions [M, N, 3], cell [M, 3, 3],
    lattice [M, 6] (`lattice_numbers`) and row [M], the index in `arrays`.
    """
    columns, dropped = standard_frames(arrays, arrays['numbers'].shape[1])
    cells = [lattice_numbers.to_cell(row) for row in columns['lattice']]
    kept = np.array([cell is not None for cell in cells], bool)
    dropped += [
      (str(name), 'its cell is nearly flat') for name in columns['id'][~kept]
    ]
    columns = {name: column[kept] for name, column in columns.items()}
    columns['cell'] = np.array(
      [cell for cell in cells if cell is not None], np.float32
    ).reshape(-1, 3, 3)
    columns['positions'] = np.einsum(
      'mni,mij->mnj', columns.pop('fractional'), columns['cell']
    )
    if not self.box.repeats and len(columns['id']):
      columns, more = size_filter.keep_fitting(
        columns,
        length=self.box.grid.length,
        sigma=self.box.sigma,
        any_rotation=False,
      )
      dropped += more
    return columns, dropped

  def sized(self, *arrays: Arrays) -> CodedBox:
    """With enough `max_images` for these crystals; see `Box.sized`.

    If the box contains periodic images, at least `_IMAGES`, or `_IMAGES_OF_ONE`
    for crystals of one slot if that is enough.
    """
    box = self.box.sized(*arrays)
    if box.repeats and not self.box.max_images:
      has_one_slot = all(part['numbers'].shape[1] == 1 for part in arrays)
      sizes = [_IMAGES_OF_ONE, _IMAGES] if has_one_slot else [_IMAGES]
      sufficient = [size for size in sizes if size >= box.max_images]
      max_images = min(sufficient, default=box.max_images)
      box = dataclasses.replace(box, max_images=max_images)
    return dataclasses.replace(self, box=box)

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Densities and the atoms in them; see `Representation.examples`.

    Inputs: density [B, G, G, G, C] in heights of an isolated atom and, for a
    single cell, lattice [B, 6]. Targets: those of `Coded`; numbers and
    voxel_positions are those of the atoms inside the box, images included.
    """
    del key  # A crystal has one standard frame.
    examples = self.box.examples(None, batch)
    positions, cell = examples.targets['positions'], examples.targets['cell']
    atoms = atoms_inside.atoms_inside(
      positions,
      batch['numbers'],
      cell if self.box.repeats else None,
      grid=self.box.grid,
      slots=self.box.max_decoded,
    )
    density = self._height * examples.inputs['density']
    occupancy = density[..., 0]
    lattice = {'lattice': batch['lattice']}
    return Examples(
      inputs={'density': density} | ({} if self.box.repeats else lattice),
      targets={
        'numbers': atoms.numbers,
        'voxel_positions': self._voxels(atoms.positions),
        'positions': positions,
        'cell': cell,
        'occupancy': occupancy,
        'codes': density / jnp.maximum(occupancy, 1e-3)[..., None],
      }
      | lattice,
      valid=examples.valid * atoms.complete,
    )

  @property
  def periodic(self) -> bool:
    """False: the box has walls."""
    return False

  @property
  def lattice_is_exact(self) -> bool:
    """False: it is found in a decoded density, or predicted by a network."""
    return False

  def encoder_inputs(
    self,
    codes: Float[Array, 'B N C'],
    positions: Float[Array, 'B N 3'],
    cell: Float[Array, 'B 3 3'],
  ) -> dict[str, Array]:
    """Inputs of decoded crystals; see `Invertible.encoder_inputs`."""
    repeats = self.box.repeats
    density = self._height * voxelize_batch(
      positions,
      codes,
      cell if repeats else None,
      grid=self.box.grid,
      sigma=self.box.sigma,
      max_images=self.box.max_images,
    )
    lattice = {} if repeats else {'lattice': lattice_numbers.from_cells(cell)}
    return {'density': density} | lattice

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Position of a voxel, Å; see `Invertible.voxel_to_cartesian`."""
    del cell  # The box is a cube of space.
    return (voxel - (self.box.grid.size - 1) / 2) * self.box.grid.spacing

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of the networks' outputs; see `Representation.crystals`.

    Args:
      outputs: occupancy [B, G, G, G], codes [B, G, G, G, C], lattice [B, 6],
        and optionally offsets [B, G, G, G, 3] (voxels) and code_offsets
        [B, E, C].
    """
    batch = jax.device_get((*self.atoms(outputs), dict(outputs)))
    return [
      self.crystal(*jax.tree.map(lambda leaf: leaf[i], batch))  # noqa: B023
      for i in range(len(batch[0].positions))
    ]

  def atoms(
    self, outputs: Mapping[str, Array]
  ) -> tuple[decoding.DecodedAtoms, Float[Array, 'B K E']]:
    """The atoms of a batch, and squared distances to all elements' codes.

    Species and positions are those of `readout`. A weight is the atomic number
    plus the difference between the peak height and that of an isolated atom.
    """
    occupancy = jnp.asarray(outputs['occupancy'])
    is_finite = jnp.isfinite(occupancy).all(axis=(1, 2, 3))
    occupancy = jnp.where(is_finite[:, None, None, None], occupancy, 0)
    found = self.box.atoms(occupancy[..., None] / self._height)
    squared_distances, voxel_positions = readout.read(
      self._voxels(found.positions),
      jnp.asarray(outputs['codes']),
      outputs.get('offsets'),
      outputs.get('code_offsets'),
      periodic=False,
    )
    mask, spacing = found.mask, self.box.grid.spacing
    positions = (voxel_positions - (self.box.grid.size - 1) / 2) * spacing
    numbers = jnp.where(mask, readout.numbers(squared_distances), 0)
    atoms = dataclasses.replace(
      found,
      positions=jnp.where(mask[..., None], positions, 0),
      numbers=numbers,
      weights=jnp.where(mask, numbers + found.weights - 1, 0),
    )
    return atoms, squared_distances

  def crystal(
    self,
    atoms: decoding.DecodedAtoms,
    squared_distances: Float[np.ndarray, 'K E'],
    outputs: Mapping[str, np.ndarray],
  ) -> Crystal | str:
    """The crystal of the atoms in one box, or the reason why there is none.

    Args:
      atoms: Atoms of one box, on the host.
      squared_distances: Squared distances to the codes of all elements; see
        `atoms`.
      outputs: Outputs of the networks for that box; see `crystals`.
    """
    mask = np.asarray(atoms.mask)
    if not mask.any():
      return 'there is no atom in the decoded density'
    if atoms.overflow:
      return (
        f'the decoded density has more peaks than {self.box.max_decoded}, the '
        'most atoms that are decoded'
      )
    cell = lattice_numbers.to_cell(np.asarray(outputs['lattice'], np.float64))
    if not self.box.repeats:
      if cell is None:
        return 'no cell has the decoded lattice angles'
      return Crystal(atoms.numbers[mask], atoms.positions[mask], cell)
    return repeating.crystal(
      atoms,
      squared_distances,
      cell,
      outputs,
      grid=self.box.grid,
      sigma=self.box.sigma,
    )

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """One crystal per candidate lattice; see `Invertible.candidates`."""
    if not self.box.repeats or not indices:
      return [[] for _ in indices]
    batch = jax.device_get((*self.atoms(outputs), dict(outputs)))
    crystals = []
    for index in indices:
      atoms, squared_distances, one = jax.tree.map(
        lambda leaf: leaf[index],  # noqa: B023
        batch,
      )
      prior = lattice_numbers.to_cell(np.asarray(one['lattice'], np.float64))
      crystals.append(
        repeating.candidates(
          atoms, squared_distances, prior, one, grid=self.box.grid
        )
      )
    return crystals

  def code_field(self, numbers: Array) -> Float[Array, 'B G G G C']:
    """The codes of one element at every voxel; see `Coded.code_field`."""
    codes = jnp.asarray(elements.element_codes(), jnp.float32)[numbers]
    shape = (len(codes), *self.box.grid.shape, codes.shape[-1])
    return jnp.broadcast_to(codes[:, None, None, None], shape)

  def _voxels(self, positions):
    """Positions in Å as voxel coordinates."""
    return positions / self.box.grid.spacing + (self.box.grid.size - 1) / 2

  @property
  def _height(self) -> float:
    """Inverse of the peak height of an isolated atom of weight one, Å³."""
    return float((2 * np.pi * self.box.sigma**2) ** 1.5)
