"""Crystals of decoded cells whose composition or number of atoms is known.

Positions are exactly so many atoms of the decoded occupancy, none nearer than
atoms of these elements are in known crystals (`counted_atoms`). Species are the
assignment of the composition to the atoms with the least sum of squared
distances of codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float, Int

from crystal_jax.representation import lattice_numbers, readout
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.counted_atoms import find_counted
from crystal_jax.representation.separation import Separation, separate
from crystal_jax.structure import pair_statistics
from crystal_jax.structure.composition import Contents
from crystal_jax.structure.crystal import Crystal

# Least distance of two atoms, as a share of the shortest distance that 1 % of
# known crystals fall below, over all pairs of elements of the composition. One
# of 1,000 crystals of mp_le20_val has nearer atoms.
_CLOSEST_SHARE = 0.75
# Least distance of two atoms of known elements, as a share of that of the pair:
# a little more than `pair_statistics.TOLERANCE`, so that draws pass it.
_PAIR_SHARE = 0.92
# A cell grows until no pair is nearer than this share of its distance (none of
# 1,000 crystals of mp_le20_val is), and its vectors by no more than a factor.
_ROOM_SHARE, _MAX_GROWTH = 0.65, 1.5


def count_atoms(
  occupancy: Float[np.ndarray, 'B G G G'], sigma: float
) -> Float[np.ndarray, 'B']:
  """Atoms of each field: its sum over that of a Gaussian of height one."""
  total = np.sum(occupancy, axis=(1, 2, 3), dtype=np.float64)
  return total / ((2 * np.pi) ** 0.5 * sigma) ** 3


def crystals(
  cell: Cell, outputs: Mapping[str, Array], wanted: Sequence[Contents]
) -> list[Crystal | str]:
  """Crystals of network outputs, with the given contents.

  Args:
    cell: The representation.
    outputs: Network outputs, as for `Cell.crystals`.
    wanted: Contents of each crystal. If they fix no number of atoms, the number
      of formula units is that of the decoded occupancy.

  Returns:
    Crystals, or the reasons why there is none.
  """
  occupancy = np.array(outputs['occupancy'])
  finite = np.isfinite(occupancy).all(axis=(1, 2, 3))
  occupancy[~finite] = 0
  estimates = count_atoms(occupancy, cell.sigma)
  units = [
    _units(each, estimate, cell.max_atoms)
    for each, estimate in zip(wanted, estimates, strict=True)
  ]
  counts = np.array(
    [n * each.unit_size for n, each in zip(units, wanted, strict=True)]
  )
  fits = counts <= cell.max_atoms
  lattices = np.asarray(outputs['lattice'], np.float64)
  bases = [lattice_numbers.to_cell(row) for row in lattices]
  cells = jnp.asarray(
    np.stack([np.eye(3) if basis is None else basis for basis in bases]),
    jnp.float32,
  )
  fractional, filled, _ = find_counted(
    jnp.asarray(occupancy),
    jnp.asarray(np.where(fits, counts, 0), jnp.int32),
    Separation(cells, _least_distances(bases, wanted, units)),
    sigma=cell.sigma,
    slots=cell.max_atoms,
  )
  read = readout.read(
    fractional * cell.size,
    jnp.asarray(outputs['codes']),
    outputs.get('offsets'),
    outputs.get('code_offsets'),
    periodic=True,
  )
  (distances, voxels), filled = jax.device_get((read, filled))
  numbers = np.zeros(filled.shape, np.int32)
  for i, (each, number) in enumerate(zip(wanted, units, strict=True)):
    if fits[i]:
      here = filled[i]
      numbers[i, here] = _assign_species(distances[i][here], each, number)
  fractional = _separated(voxels / cell.size, numbers, cells)
  found: list[Crystal | str] = []
  for i, basis in enumerate(bases):
    if not finite[i]:
      found.append('the latent decodes to numbers that are not finite')
    elif not fits[i]:
      found.append(
        f'{counts[i]} atoms, more than the {cell.max_atoms} that a cell of '
        'this codec may hold'
      )
    elif basis is None:
      found.append('no cell has the decoded lattice angles')
    else:
      here = filled[i]
      positions = fractional[i][here] @ basis
      found.append(_with_room(Crystal(numbers[i][here], positions, basis)))
  return found


def _with_room(crystal: Crystal) -> Crystal:
  """The crystal, its cell grown if its atoms have no room."""
  shortest = pair_statistics.shipped().shortest
  pairs = pair_statistics.shortest_distances(crystal)
  share = min(distance / shortest[pair] for pair, distance in pairs.items())
  growth = _ROOM_SHARE / max(share, 1e-6)
  if not 1 < growth < _MAX_GROWTH:
    return crystal
  return Crystal(
    crystal.numbers,
    np.asarray(crystal.positions) * growth,
    np.asarray(crystal.cell) * growth,
  )


def _separated(
  fractional: Float[np.ndarray, 'B K 3'],
  numbers: Int[np.ndarray, 'B K'],
  cells: Float[Array, 'B 3 3'],
) -> Float[np.ndarray, 'B K 3']:
  """Fractional coordinates, no pair of atoms nearer than in known crystals."""
  shortest = pair_statistics.shipped().shortest
  closest = _PAIR_SHARE * shortest[numbers[:, :, None], numbers[:, None]]
  found = separate(
    jnp.asarray(fractional),
    jnp.asarray(numbers > 0),
    Separation(cells, jnp.asarray(closest, jnp.float32)),
  )
  return np.asarray(found)


def _least_distances(
  bases: Sequence[Float[np.ndarray, '3 3'] | None],
  wanted: Sequence[Contents],
  units: Sequence[int],
) -> Float[Array, 'B']:
  """How near atoms of each composition may be, Å."""
  closest = [
    0.0 if basis is None else _closest(each, number)
    for basis, each, number in zip(bases, wanted, units, strict=True)
  ]
  return jnp.asarray(closest, jnp.float32)


def _closest(wanted: Contents, units: int) -> float:
  """Least distance of two atoms of a composition, Å; 0 if it is not known."""
  unit = wanted.unit or ()
  shortest = pair_statistics.shipped().shortest
  pairs = [
    shortest[first, second]
    for first, count in unit
    for second, _ in unit
    if first != second or units * count > 1
  ]
  return _CLOSEST_SHARE * float(min(pairs, default=0.0))


def _units(wanted: Contents, estimate: float, most: int) -> int:
  """Formula units: the given number, or that nearest to the decoded one."""
  if wanted.units is not None:
    return wanted.units
  largest = max(1, most // wanted.unit_size)
  return int(np.clip(np.rint(estimate / wanted.unit_size), 1, largest))


def _assign_species(
  distances: Float[np.ndarray, 'N E'], wanted: Contents, units: int
) -> Int[np.ndarray, 'N']:
  """Species of atoms by their squared distances to all codes."""
  if wanted.unit is None:
    return np.asarray(readout.numbers(distances))
  numbers = wanted.numbers(units)
  cost = distances[:, numbers - 1]
  rows, columns = scipy.optimize.linear_sum_assignment(cost)
  return numbers[columns[np.argsort(rows)]]
