"""The paper's cube, told by element codes: a crystal always lies the same way.

Every crystal goes to its standard frame (`frame`), a along x and b in the xy
plane, and around the centre of that cell a box of space is cut out. Nothing is
drawn. Each atom in it is one round Gaussian, one channel a number of its
element's code (`elements.element_codes`).

Back, the peaks of the first channel are the atoms, the codes there their
species. Where the box shows the images, the crystal is what repeats there
(`repeating`). Where it shows a single cell, the lattice is what the networks
say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from crystal_jax import decoding
from crystal_jax.density import images, voxelize_batch
from crystal_jax.representation import (
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

# Images that reach a box of 10 Å; few crystals of the Materials Project have
# more. Those of a single atom.
_IMAGES, _IMAGES_OF_ONE = 768, 96


@dataclasses.dataclass(frozen=True)
class CodedBox:
  """A crystal in its standard frame in a box of voxels. Static.

  Attributes:
    box: Where it is laid; its channels are element codes, and it turns nothing.
  """

  box: Box

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Of a density; of a single cell of the six numbers of its lattice too."""
    lattice = {} if self.box.repeats else {'lattice': (6,)}
    return self.box.input_shapes | lattice

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """The crystals as they lie in the box; see `Representation.prepare`.

    Columns: id, numbers [M, N], positions [M, N, 3], cell [M, 3, 3],
    lattice [M, 6] (`lattice_numbers`) and row [M], a place in `arrays`.
    """
    columns, dropped = standard_frames(arrays, arrays['numbers'].shape[1])
    cells = [lattice_numbers.to_cell(row) for row in columns['lattice']]
    kept = np.array([cell is not None for cell in cells], bool)
    dropped += [
      (str(name), 'its lattice is all but flat')
      for name in columns['id'][~kept]
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
        turned=False,
      )
      dropped += more
    return columns, dropped

  def sized(self, *arrays: Arrays) -> CodedBox:
    """With images enough for these crystals; see `Box.sized`.

    At least `_IMAGES` that repeat, so that nearly all crystals share a trace;
    of crystals of one slot, which have few, `_IMAGES_OF_ONE` if that will do.
    """
    box = self.box.sized(*arrays)
    if box.repeats and not self.box.max_images:
      one = all(part['numbers'].shape[1] == 1 for part in arrays)
      steps = [_IMAGES_OF_ONE, _IMAGES] if one else [_IMAGES]
      enough = [step for step in steps if step >= box.max_images]
      room = min(enough, default=box.max_images)
      box = dataclasses.replace(box, max_images=room)
    return dataclasses.replace(self, box=box)

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Densities and the atoms in them; see `Representation.examples`.

    Inputs: density [B, G, G, G, C] in heights of an isolated atom, and of a
    single cell lattice [B, 6]. Targets: those of `Coded`, where numbers and
    voxel_positions are of the atoms inside the box, images included.
    """
    del key  # A crystal has one standard frame.
    shown = self.box.examples(None, batch)
    positions, cell = shown.targets['positions'], shown.targets['cell']
    numbers, voxel_positions, complete = jax.vmap(self._inside)(
      positions, batch['numbers'], cell
    )
    density = self._height * shown.inputs['density']
    occupancy = density[..., 0]
    lattice = {'lattice': batch['lattice']}
    return Examples(
      inputs={'density': density} | ({} if self.box.repeats else lattice),
      targets={
        'numbers': numbers,
        'voxel_positions': voxel_positions,
        'positions': positions,
        'cell': cell,
        'occupancy': occupancy,
        'codes': density / jnp.maximum(occupancy, 1e-3)[..., None],
      }
      | lattice,
      valid=shown.valid * complete,
    )

  @property
  def periodic(self) -> bool:
    """The box has walls."""
    return False

  @property
  def lattice_is_exact(self) -> bool:
    """It is read off a density, or said by a network."""
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
    lattice = {} if repeats else {'lattice': lattice_numbers.of_cells(cell)}
    return {'density': density} | lattice

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Where a voxel is, Å; see `Invertible.voxel_to_cartesian`."""
    del cell  # The box is a cube of space.
    return (voxel - (self.box.grid.size - 1) / 2) * self.box.grid.spacing

  def _inside(self, positions, numbers, cell):
    """Numbers [K], places [K, 3] of the atoms inside; whether K is enough."""
    found = images.find_images(
      positions,
      numbers > 0,
      cell if self.box.repeats else None,
      grid=self.box.grid,
      reach=0.0,
      max_images=self.box.max_decoded,
    )
    moved = jnp.matmul(
      found.translation.astype(cell.dtype), cell, precision='highest'
    )
    places = self._voxels(positions[found.atom] + moved)
    numbers = jnp.where(found.filled, numbers[found.atom], 0)
    return (
      numbers,
      jnp.where(found.filled[:, None], places, 0),
      found.complete,
    )

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of what networks say; see `Representation.crystals`.

    Args:
      outputs: occupancy [B, G, G, G], codes [B, G, G, G, C], lattice [B, 6],
        and if there are any offsets [B, G, G, G, 3] (voxels) and code_offsets
        [B, E, C].
    """
    every = jax.device_get((*self.atoms(outputs), dict(outputs)))
    return [
      self.crystal(*jax.tree.map(lambda leaf: leaf[i], every))  # noqa: B023
      for i in range(len(every[0].positions))
    ]

  def atoms(
    self, outputs: Mapping[str, Array]
  ) -> tuple[decoding.DecodedAtoms, Float[Array, 'B K E']]:
    """The atoms of a batch, species and places as the networks say.

    Weights are the numbers, off by as much as the peak is from a lone atom's.
    Beside them squared distances of what is said of each atom to the codes of
    all elements.
    """
    occupancy = jnp.asarray(outputs['occupancy'])
    finite = jnp.isfinite(occupancy).all(axis=(1, 2, 3))[:, None, None, None]
    occupancy = jnp.where(finite, occupancy, 0)
    found = self.box.atoms(occupancy[..., None] / self._height)
    apart, places = readout.read(
      self._voxels(found.positions),
      jnp.asarray(outputs['codes']),
      outputs.get('offsets'),
      outputs.get('code_offsets'),
      periodic=False,
    )
    mask, spacing = found.mask, self.box.grid.spacing
    positions = (places - (self.box.grid.size - 1) / 2) * spacing
    numbers = jnp.where(mask, readout.numbers(apart), 0)
    atoms = dataclasses.replace(
      found,
      positions=jnp.where(mask[..., None], positions, 0),
      numbers=numbers,
      weights=jnp.where(mask, numbers + found.weights - 1, 0),
    )
    return atoms, apart

  def crystal(
    self,
    atoms: decoding.DecodedAtoms,
    apart: Float[np.ndarray, 'K E'],
    outputs: Mapping[str, np.ndarray],
  ) -> Crystal | str:
    """The crystal of the atoms in one box, or why there is none.

    Args:
      atoms: Of one box, on the host.
      apart: What is said of their species; see `atoms`.
      outputs: What networks say of the box; see `crystals`.
    """
    mask = np.asarray(atoms.mask)
    if not mask.any():
      return 'there is no atom in the decoded density'
    if atoms.overflow:
      return 'the decoded density has more peaks than atoms may be'
    cell = lattice_numbers.to_cell(np.asarray(outputs['lattice'], np.float64))
    if not self.box.repeats:
      if cell is None:
        return 'the decoded lattice is none: no cell has these angles'
      return Crystal(atoms.numbers[mask], atoms.positions[mask], cell)
    return repeating.crystal(
      atoms, apart, cell, outputs, grid=self.box.grid, sigma=self.box.sigma
    )

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """One per candidate lattice; see `Invertible.candidates`."""
    if not self.box.repeats or not indices:
      return [[] for _ in indices]
    every = jax.device_get((*self.atoms(outputs), dict(outputs)))
    crystals = []
    for index in indices:
      atoms, apart, said = jax.tree.map(lambda leaf: leaf[index], every)  # noqa: B023
      guess = lattice_numbers.to_cell(np.asarray(said['lattice'], np.float64))
      crystals.append(
        repeating.candidates(atoms, apart, guess, said, grid=self.box.grid)
      )
    return crystals

  def code_field(self, numbers: Array) -> Float[Array, 'B G G G C']:
    """What networks would say of species if all atoms were of one element."""
    codes = jnp.asarray(elements.element_codes(), jnp.float32)[numbers]
    shape = (len(codes), *self.box.grid.shape, codes.shape[-1])
    return jnp.broadcast_to(codes[:, None, None, None], shape)

  def _voxels(self, positions):
    """Positions in Å to voxels."""
    return positions / self.box.grid.spacing + (self.box.grid.size - 1) / 2

  @property
  def _height(self) -> float:
    """Peak of a lone atom of weight one, inverted."""
    return float((2 * np.pi * self.box.sigma**2) ** 1.5)
