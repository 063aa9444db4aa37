"""Density to atoms, on a box with open walls or on a periodic cell.

`pursuit` finds the atoms; this module adds species, flags and an order. In a
box, the tails of atoms just outside the walls reach inside: those atoms are
fitted too, and flagged.

The density is Z-weighted Gaussians, not an electron density.
"""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from crystal_jax.decoding import (
  arguments,
  host_loop,
  pursuit,
  readings,
  species,
)
from crystal_jax.decoding.config import PursuitConfig
from crystal_jax.decoding.decoded_atoms import DecodedAtoms
from crystal_jax.density import grids


def decode_density(
  density: Float[ArrayLike, 'G G G'],
  *,
  grid: grids.Grid,
  sigma: float,
  cell: Float[ArrayLike, '3 3'] | None = None,
  logits: Float[ArrayLike, 'G G G C'] | None = None,
  max_atoms: int = 256,
  band_limit: bool | None = None,
  closest: float = PursuitConfig.closest,
  lightest: float = PursuitConfig.lightest,
  stand_out: float = PursuitConfig.stand_out,
  rounds: int = PursuitConfig.rounds,
) -> DecodedAtoms:
  """Atoms of a density on a grid, without a neural network.

  In a box it needs no lattice.

  Args:
    density: Density, weight per Å³, as returned by `voxelize`.
    grid: Grid of the density. Static.
    sigma: Standard deviation of one atom, Å. Static.
    cell: Lattice vectors as rows, Å. Needed by a CellGrid, unused by a
      BoxGrid.
    logits: A network's logits of the species of each voxel; class index =
      atomic number, 0 = background. Species are chosen by them and by the
      fitted weights together, and their foreground adds seeds.
    max_atoms: Number of slots. Static. More atoms than slots set `overflow`.
    band_limit: Model of a density on a CellGrid that does not resolve the
      atoms. Static. True: it is limited to the frequencies of the grid, as by
      `voxelize` with `band_limit=True`. False: it was sampled at the voxels'
      points. None: the second model is tried too if the first leaves a
      residual, as for a network's output.
    closest: Smallest distance of two atoms, Å. Static, as all below. The
      defaults are for a density in Å whose atoms weigh their atomic number.
    lightest: Lightest atom that is kept; seeds of half that weight are tried.
    stand_out: Minimum height of a seed of a further atom, in standard
      deviations of the residual.
    rounds: Maximum number of rounds of adding atoms.

  Returns:
    The atoms, in `max_atoms` slots.

  Raises:
    ValueError: If shapes disagree, a CellGrid comes without a cell, or a limit
      is not positive.
  """
  config = PursuitConfig(closest, lightest, stand_out, rounds)
  density = arguments.check_field(density, grid, 'density', 0)
  cell = arguments.check_cell(cell, grid, ())
  if logits is not None:
    logits = arguments.check_field(logits, grid, 'logits', 1)
  # Under jit even a constant array is traced.
  arrays = density, cell, logits, jnp.zeros(())
  traced = any(isinstance(x, jax.core.Tracer) for x in arrays)
  atoms = (_decode if traced else _decode_in_steps)(
    density,
    cell,
    logits,
    grid=grid,
    sigma=float(sigma),
    max_atoms=int(max_atoms),
    band_limit=band_limit,
    config=config,
  )
  return _warn_of_overflow(atoms, max_atoms)


def decode_batch(
  density: Float[ArrayLike, 'B G G G'],
  *,
  grid: grids.Grid,
  sigma: float,
  cell: Float[ArrayLike, 'B 3 3'] | None = None,
  logits: Float[ArrayLike, 'B G G G C'] | None = None,
  max_atoms: int = 256,
  band_limit: bool | None = None,
  closest: float = PursuitConfig.closest,
  lightest: float = PursuitConfig.lightest,
  stand_out: float = PursuitConfig.stand_out,
  rounds: int = PursuitConfig.rounds,
  warn: bool = True,
) -> DecodedAtoms:
  """`decode_density` of a batch, compiled once, one density after another.

  One after another, because each density stops when its atoms are found.
  Arguments and errors are those of `decode_density`. With `warn=False` too few
  slots are only reported in the result's `overflow`: all threads share Python's
  warning filters.
  """
  config = PursuitConfig(closest, lightest, stand_out, rounds)
  densities = arguments.floating('density', density)
  if densities.ndim != 4:
    raise ValueError(
      f'Need a batch of densities [B, G, G, G], not {densities.shape}.'
    )
  cell = arguments.check_cell(cell, grid, (len(densities),))
  if densities.shape[1:] != grid.shape:
    raise ValueError(f'Densities {densities.shape} do not fit {grid}.')
  each_logits = None if logits is None else arguments.floating('logits', logits)
  if each_logits is not None and each_logits.shape[:-1] != densities.shape:
    raise ValueError(
      f'Need logits [B, G, G, G, classes] for densities {densities.shape}, not '
      f'{each_logits.shape}.'
    )
  atoms = _decode_batch(
    densities,
    cell,
    each_logits,
    grid=grid,
    sigma=float(sigma),
    max_atoms=int(max_atoms),
    band_limit=band_limit,
    config=config,
  )
  return _warn_of_overflow(atoms, max_atoms) if warn else atoms


_STATIC = ('grid', 'sigma', 'max_atoms', 'band_limit', 'config')


@functools.partial(jax.jit, static_argnames=_STATIC)
def _decode_batch(density, cell, logits, **static):
  def one(args):
    return _decode(*args, **static)

  return jax.lax.map(one, (density, cell, logits))


def _decode_in_steps(
  density, cell, logits, *, grid, sigma, max_atoms, band_limit, config
):
  """`_decode` as several programs, which compile much faster."""

  def pursue(aliased):
    return host_loop.pursue(
      density,
      cell,
      aliased,
      logits,
      grid=grid,
      sigma=sigma,
      max_atoms=max_atoms,
      config=config,
    )

  if cell is None or band_limit is not None:
    state = pursue(not band_limit)
  else:
    first, threshold = readings.first_reading(density, cell, grid, sigma)
    state = pursue(first)
    if not readings.residual_rms(state) < threshold:
      state = min(state, pursue(~first), key=readings.residual_rms)
  return _finish(density, cell, logits, state, grid, sigma, config.lightest)


@functools.partial(jax.jit, static_argnames=_STATIC)
def _decode(
  density, cell, logits, *, grid, sigma, max_atoms, band_limit, config
):
  """Atoms of a density, as one program."""

  def pursue(aliased):
    space = host_loop.make_space(grid, sigma, cell, aliased)
    return pursuit.pursue(space, density, max_atoms, config, logits)

  if cell is None or band_limit is not None:
    state = pursue(not band_limit)
  else:
    first = readings.first_reading(density, cell, grid, sigma)
    state = readings.pursue_both(pursue, *first)
  return _finish(density, cell, logits, state, grid, sigma, config.lightest)


@functools.partial(jax.jit, static_argnames=('grid', 'sigma', 'lightest'))
def _finish(density, cell, logits, state, grid, sigma, lightest):
  """Decoded atoms of a pursuit: species, flags and order of the slots."""
  space = host_loop.make_space(grid, sigma, cell, False)
  positions, weights, residual = state.positions, state.weights, state.residual
  rms = jnp.sqrt(jnp.mean(density**2))
  residual_share = jnp.sqrt(jnp.mean(residual**2)) / jnp.where(rms > 0, rms, 1)
  weight_error = jnp.std(space.correlate(residual))
  kept = weights > jnp.maximum(lightest, 3 * weight_error)
  inside = space.inside(positions)
  positions = space.fold(positions)
  numbers = species.most_likely(space, positions, weights, weight_error, logits)
  order = jnp.lexsort((-weights, ~inside, ~kept))
  positions, numbers, weights, kept, inside = (
    x[order] for x in (positions, numbers, weights, kept, inside)
  )
  return DecodedAtoms(
    positions=jnp.where(kept[:, None], positions, 0),
    numbers=jnp.where(kept, numbers, 0),
    weights=jnp.where(kept, weights, 0),
    mask=kept,
    inside=kept & inside,
    residual=residual_share,
    overflow=state.overflow & jnp.all(kept),
    length=grid.length if isinstance(grid, grids.BoxGrid) else None,
  )


def _warn_of_overflow(atoms, max_atoms):
  """The atoms; warns of too few slots, unless they are traced."""
  if not isinstance(atoms.overflow, jax.core.Tracer):
    if np.any(np.asarray(atoms.overflow)):
      warnings.warn(
        f'The density holds more atoms than {max_atoms=}; raise it.',
        stacklevel=3,
      )
  return atoms
