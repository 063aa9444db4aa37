"""`Crystal`: species, positions and a lattice, as a pytree of arrays.

Files are read as crystals, and codecs encode and decode crystals. Empty slots
(atomic number 0) let crystals of different sizes stack into one batch. Arrays
from files are NumPy in double precision; JAX casts them when they enter a
computation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import ase
import ase.data
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from crystal_jax.structure import display

if TYPE_CHECKING:
  from crystal_jax import viewer

# Smallest volume / (a·b·c); flatter cells are refused.
_MIN_VOLUME_RATIO = 1e-6

# Longest lattice vector of a file, Å; those of real unit cells reach 1,000 Å.
_MAX_FILE_LENGTH = 1e5

_AXES = 'a', 'b', 'c'


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Crystal:
  """A crystal, possibly padded with empty slots, possibly a batch.

  Attributes:
    numbers: Atomic numbers; 0 marks an empty slot.
    positions: Cartesian positions, Å. Zero in empty slots.
    cell: Lattice vectors as rows, Å: cartesian = fractional @ cell.
  """

  numbers: Int[Array | np.ndarray, '*B N']
  positions: Float[Array | np.ndarray, '*B N 3']
  cell: Float[Array | np.ndarray, '*B 3 3']

  @classmethod
  def from_ase(cls, atoms: ase.Atoms) -> Crystal:
    """From ASE atoms that are periodic along all three axes.

    Raises:
      ValueError: If an axis is not periodic, the cell has no volume, a number
        is not finite, or an atom has no atomic number.
    """
    if not atoms.pbc.all():
      raise ValueError(_periodicity_message(atoms))
    numbers = np.array(atoms.numbers, np.int32)
    positions = np.array(atoms.positions, np.float64)
    cell = np.array(atoms.cell[:], np.float64)
    check_geometry(numbers, positions, cell)
    return cls(numbers=numbers, positions=positions, cell=cell)

  def to_ase(self) -> ase.Atoms:
    """To ASE atoms, periodic, empty slots left out.

    Raises:
      ValueError: If this is a batch of crystals.
    """
    if np.ndim(self.numbers) != 1:
      raise ValueError('ase.Atoms holds one crystal, not a batch: unstack it.')
    numbers = np.asarray(self.numbers)
    filled = numbers > 0
    return ase.Atoms(
      numbers=numbers[filled],
      positions=np.asarray(self.positions, np.float64)[filled],
      cell=np.asarray(self.cell, np.float64),
      pbc=True,
    )

  @property
  def num_atoms(self) -> int:
    """Number of atoms, summed over a batch."""
    return int(np.sum(np.asarray(self.numbers) > 0))

  def show(self) -> viewer.Display:
    """An interactive picture for a notebook: atoms, bonds, cell edges."""
    from crystal_jax import viewer

    return viewer.show(self)

  def __repr__(self) -> str:
    """Formula, number of atoms and lattice parameters; shapes of a batch."""
    leaves = vars(self)
    if not display.is_concrete(*leaves.values()) or np.ndim(self.numbers) != 1:
      return display.shapes('Crystal', leaves)
    return (
      f'Crystal({self._formula()}, {self._size_text()}, '
      f'{", ".join(display.lattice(np.asarray(self.cell)))})'
    )

  def _repr_html_(self) -> str | None:
    """A table for notebooks; `show` draws the crystal."""
    if not display.is_concrete(*vars(self).values()) or self.numbers.ndim != 1:
      return None
    cell = np.asarray(self.cell, np.float64)
    lengths, angles = display.lattice(cell)
    return display.html_table(
      self._formula(),
      {
        'atoms': self._size_text(),
        'lengths': lengths,
        'angles': angles,
        'volume': f'{abs(np.linalg.det(cell)):.2f} Å³',
      },
    )

  def _formula(self) -> str:
    return display.formula(np.asarray(self.numbers))

  def _size_text(self) -> str:
    """Number of atoms, and of slots if any are empty."""
    slots = len(self.numbers)
    text = f'{self.num_atoms} atom' + 's' * (self.num_atoms != 1)
    return text if slots == self.num_atoms else f'{text} in {slots} slots'

  def pad(self, max_atoms: int) -> Crystal:
    """The same crystal in `max_atoms` slots.

    Raises:
      ValueError: If it has more than `max_atoms` slots, or is a batch.
    """
    if np.ndim(self.numbers) != 1:
      raise ValueError('Need one crystal; this is a batch: unstack it.')
    num_padding = max_atoms - len(self.numbers)
    if num_padding < 0:
      raise ValueError(f'{len(self.numbers)} slots do not fit {max_atoms=}.')
    return Crystal(
      numbers=np.pad(np.asarray(self.numbers), (0, num_padding)),
      positions=np.pad(np.asarray(self.positions), ((0, num_padding), (0, 0))),
      cell=np.asarray(self.cell),
    )


def check_geometry(
  numbers: Int[np.ndarray, 'N'],
  positions: Float[np.ndarray, 'N 3'],
  cell: Float[np.ndarray, '3 3'],
) -> None:
  """Raises a ValueError if arrays do not describe a crystal.

  Raises:
    ValueError: If a number is not finite, the cell has no volume, a lattice
      vector is longer than 100,000 Å, or an atom has no atomic number.
  """
  if not np.isfinite(cell).all() or not np.isfinite(positions).all():
    raise ValueError('a position or a lattice vector is not finite')
  lengths = np.linalg.norm(cell, axis=-1)
  if lengths.max() > _MAX_FILE_LENGTH:
    raise ValueError(
      f'a lattice vector of {lengths.max():.3g} Å, longer than '
      f'{_MAX_FILE_LENGTH:g} Å; positions and lattice vectors are in Å'
    )
  # Relative to a box of the same edges, so that flat cells count as flat.
  if not abs(np.linalg.det(cell)) > _MIN_VOLUME_RATIO * np.prod(lengths):
    raise ValueError(
      f'a cell of zero volume: {cell.tolist()}; set three independent lattice '
      'vectors'
    )
  unknown = (numbers < 1) | (numbers >= len(ase.data.chemical_symbols))
  if unknown.any():
    index = int(np.argmax(unknown))
    raise ValueError(
      f'unknown species: atom {index} has atomic number {int(numbers[index])}'
    )


def stack(crystals: Sequence[Crystal], max_atoms: int | None = None) -> Crystal:
  """Crystals as one padded batch, [B, N].

  Args:
    crystals: At least one crystal.
    max_atoms: Slots of each crystal; None: as many as the largest has.

  Raises:
    ValueError: If there is no crystal, one is a batch, or one has more than
      `max_atoms` slots.
  """
  if not crystals:
    raise ValueError('Need at least one crystal to stack.')
  if max_atoms is None:
    max_atoms = max(np.shape(c.numbers)[-1] for c in crystals)
  padded = [c.pad(max_atoms) for c in crystals]
  return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def unstack(batch: Crystal) -> list[Crystal]:
  """The crystals of a batch, without empty slots.

  Raises:
    ValueError: If it is one crystal, not a batch.
  """
  if np.ndim(batch.numbers) != 2:
    raise ValueError('Need a batch [B, N]; this is one crystal.')
  crystals = []
  for numbers, positions, cell in zip(
    *map(np.asarray, (batch.numbers, batch.positions, batch.cell)), strict=True
  ):
    filled = numbers > 0
    crystals.append(Crystal(numbers[filled], positions[filled], cell))
  return crystals


def _periodicity_message(atoms: ase.Atoms) -> str:
  """Why atoms without three periodic axes are refused, and what to do."""
  open_axes = [axis for axis in range(3) if not atoms.pbc[axis]]
  names = ' and '.join(_AXES[axis] for axis in open_axes)
  if len(open_axes) == 3:
    names = 'all axes'
  # ASE's center() moves all three faces unless it is given the axes.
  axis = {1: f', axis={open_axes[0]}', 2: f', axis={tuple(open_axes)}'}
  return (
    f'{atoms.get_chemical_formula()} is periodic along '
    f'{int(atoms.pbc.sum())} of 3 axes; a Crystal needs all three. Put vacuum '
    f'along {names}: '
    f'atoms.center(vacuum=8.0{axis.get(len(open_axes), "")}); '
    'atoms.pbc = True. If the cell holds the vacuum already, only set atoms.pbc'
  )
