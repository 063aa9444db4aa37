"""Crystals of decoded cells whose composition or number of atoms is known.

Matching pursuit: the occupancy is filtered with the shape of an atom, its
highest point becomes an atom and a Gaussian of height one is subtracted there,
as often as there are atoms. All positions are refined together. Species are the
assignment of the composition to the atoms with the least sum of squared
distances of codes.

Lengths are in voxels.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Bool, Float, Int

from crystal_jax.density.exact_sums import full_precision
from crystal_jax.representation import lattice_numbers, readout
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.occupancy_model import (
  newton_steps,
  residual_field,
  sharpening_filter,
  spectrum,
)
from crystal_jax.structure.composition import Contents
from crystal_jax.structure.crystal import Crystal

# Widths of an atom after filtering, in σ: the matched filter, which tolerates
# the most noise, and two that separate near atoms. The best fit is kept.
_WIDTHS = (np.sqrt(2.0), 1.0, 0.8)
# Ridge of the filters; limits the amplification of noise.
_RIDGE = 1e-3
# Newton steps of all positions, and the longest step along an axis, voxels.
_STEPS, _MAX_STEP = 12, 0.5
# Attempts to move the atom that reduces the residual least to the largest
# residual.
_RELOCATIONS = 2


@functools.partial(jax.jit, static_argnames=('sigma', 'slots'))
def find_counted(
  occupancy: Float[Array, 'B G G G'],
  counts: Int[Array, 'B'],
  *,
  sigma: float,
  slots: int,
) -> tuple[Float[Array, 'B K 3'], Bool[Array, 'B K'], Float[Array, 'B']]:
  """Exactly the given number of atoms of each field.

  Args:
    occupancy: Fields of band-limited Gaussians of height one on periodic cubes.
    counts: Number of atoms of each field, at most `slots`.
    sigma: Standard deviation of an atom, voxels. Static.
    slots: Maximum number of atoms, K. Static.

  Returns:
    Fractional coordinates in [0, 1), which slots hold an atom, and the RMS
    residual of the field.
  """
  size = occupancy.shape[-1]
  filters = [_filter(size, sigma, width) for width in _WIDTHS]
  gains = jnp.asarray(np.stack([gain for gain, _ in filters]), occupancy.dtype)
  lines = jnp.asarray(np.stack([line for _, line in filters]), occupancy.dtype)

  def one_field(pair):
    field, count = pair
    filled = jnp.arange(slots) < count

    def pursued(gain_and_line):
      return _pursue(field, filled, sigma, *gain_and_line)

    positions, costs = jax.lax.map(pursued, (gains, lines))
    best = jnp.argmin(costs)
    rms = jnp.sqrt(costs[best] / field.size)
    return positions[best] / size % 1.0, filled, rms

  with full_precision():
    return jax.lax.map(one_field, (occupancy, counts))


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
  fractional, filled, _ = find_counted(
    jnp.asarray(occupancy),
    jnp.asarray(np.where(fits, counts, 0), jnp.int32),
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
  lattices = np.asarray(outputs['lattice'], np.float64)
  found: list[Crystal | str] = []
  for i, each in enumerate(wanted):
    basis = lattice_numbers.to_cell(lattices[i])
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
      numbers = _assign_species(distances[i][here], each, units[i])
      positions = voxels[i][here] / cell.size @ basis
      found.append(Crystal(numbers, positions, basis))
  return found


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


def _pursue(field, filled, sigma, gain, line):
  """Positions found by pursuit with one filter, refined, and their cost."""

  def filtered(field):
    return jnp.fft.irfftn(jnp.fft.rfftn(field) * gain, s=field.shape)

  def cost(positions):
    residual, _ = residual_field(field, positions, filled, sigma)
    return jnp.sum(jnp.square(residual))

  def refined(positions):
    def step(_, positions):
      residual, factors = residual_field(field, positions, filled, sigma)
      steps = newton_steps(residual, factors)
      return positions + jnp.clip(steps, -_MAX_STEP, _MAX_STEP)

    return jax.lax.fori_loop(0, _STEPS, step, positions)

  def take_highest(slot, state):
    remainder, positions = state
    found = _highest(remainder)
    remainder = remainder - filled[slot] * _filtered_atom(found, line)
    return remainder, positions.at[slot].set(found)

  def relocate(_, state):
    positions, before = state
    residual, factors = residual_field(field, positions, filled, sigma)
    # The sum of squares grows by this if an atom goes.
    x, y, z = factors.values
    alone = jnp.einsum('xyz,kx,ky,kz->k', residual, x, y, z)
    norm = jnp.prod(jnp.sum(jnp.square(factors.values), -1), axis=0)
    loss = jnp.where(filled, 2 * alone + norm, jnp.inf)
    slot = jnp.argmin(loss)
    relocated = positions.at[slot].set(_highest(filtered(residual)))
    relocated = refined(relocated)
    after = cost(relocated)
    better = after < before
    return (
      jnp.where(better, relocated, positions),
      jnp.where(better, after, before),
    )

  start = filtered(field), jnp.zeros((len(filled), 3), field.dtype)
  _, positions = jax.lax.fori_loop(0, len(filled), take_highest, start)
  positions = refined(positions)
  return jax.lax.fori_loop(
    0, _RELOCATIONS, relocate, (positions, cost(positions))
  )


def _highest(field):
  """Position of the highest voxel, by parabolas through its neighbours."""
  size = len(field)
  voxel = jnp.stack(jnp.unravel_index(jnp.argmax(field), field.shape))
  steps = jnp.eye(3, dtype=voxel.dtype)
  here = field[tuple(voxel)]
  above = jax.vmap(lambda s: field[tuple((voxel + s) % size)])(steps)
  below = jax.vmap(lambda s: field[tuple((voxel - s) % size)])(steps)
  bend = 2 * here - above - below
  offset = 0.5 * (above - below) / jnp.maximum(bend, 1e-6)
  return voxel + jnp.clip(offset, -0.5, 0.5)


def _filtered_atom(position, line):
  """A Gaussian of height one on the cube, by its spectrum along an axis."""
  size = 2 * (len(line) - 1)
  grid = jnp.arange(size, dtype=line.dtype)
  phase = 2 * jnp.pi / size * jnp.arange(len(line), dtype=line.dtype)
  offsets = grid[None] - position[:, None]
  x, y, z = jnp.cos(offsets[..., None] * phase[None, None]) @ line
  return x[:, None, None] * y[None, :, None] * z[None, None]


def _filter(size, sigma, width):
  """A filter that turns an atom into one of height one and another width.

  Returns:
    Factors of the Fourier coefficients of `rfftn`, and coefficients along an
    axis of the filtered atom.
  """
  waves = np.fft.fftfreq(size)
  line = spectrum(size, width * sigma)[: size // 2 + 1]
  line = line * np.sqrt(2 * np.pi) * width * sigma / size
  line = line * np.where(np.arange(size // 2 + 1) == 0, 1, 2)
  if width < 1:
    return sharpening_filter(size, sigma, width, _RIDGE), line
  # A Gaussian times a Gaussian: their widths add up in squares.
  more = sigma * np.sqrt(width**2 - 1)
  blur = np.exp(-2 * (np.pi * more * waves) ** 2)
  gain = blur[:, None, None] * blur[None, :, None] * blur[None, None]
  return width**3 * gain[..., : size // 2 + 1], line
