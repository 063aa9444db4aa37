"""Density to atoms, on a box with open walls or on a periodic cell.

The atoms come from `pursuit`; here they get species, flags and an order. In a
box, atoms just outside the walls shine in: they are fitted too, and flagged.

The density is Z-weighted Gaussians, not an electron density.
"""

import dataclasses
import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from crystal_jax.decoding import box, pursuit, species
from crystal_jax.decoding import cell as cell_space
from crystal_jax.density import grids


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DecodedAtoms:
  """Atoms found in a density, in K slots, heaviest first, walls last.

  Attributes:
    positions: Å; in a CellGrid folded into the cell. Zero in empty slots.
    numbers: Atomic numbers, 1 to 94; 0 in empty slots.
    weights: The fitted weights, before they were rounded to species.
    mask: Which slots hold an atom.
    inside: Which slots hold an atom that is not outside a wall.
    residual: RMS of what is unexplained over the RMS of the density.
    overflow: Whether there were more atoms than slots.
  """

  positions: Float[Array, '*B K 3']
  numbers: Int[Array, '*B K']
  weights: Float[Array, '*B K']
  mask: Bool[Array, '*B K']
  inside: Bool[Array, '*B K']
  residual: Float[Array, '*B']
  overflow: Bool[Array, '*B']


def decode_density(
  density: Float[ArrayLike, 'G G G'],
  *,
  grid: grids.Grid,
  sigma: float,
  cell: Float[ArrayLike, '3 3'] | None = None,
  logits: Float[ArrayLike, 'G G G C'] | None = None,
  max_atoms: int = 256,
  band_limit: bool | None = None,
  closest: float = pursuit.Limits.closest,
  lightest: float = pursuit.Limits.lightest,
  stand_out: float = pursuit.Limits.stand_out,
  rounds: int = pursuit.Limits.rounds,
) -> DecodedAtoms:
  """Atoms of a density on a grid; no network, no lattice needed in a box.

  Args:
    density: Weight per Å³, as `voxelize` makes it.
    grid: Where the density is sampled. Static.
    sigma: Standard deviation of one atom, Å. Static.
    cell: Lattice vectors as rows, Å. Needed by a CellGrid, unused by a
      BoxGrid.
    logits: A network's reading of the species of each voxel; class index =
      atomic number, 0 = background. They vote with the fitted weights, and
      their blobs are seeds.
    max_atoms: Slots. Static. More atoms than slots set `overflow`.
    band_limit: How to read a CellGrid that doesn't resolve the atoms. Static.
      True: the density holds what the grid resolves, as `voxelize` makes it
      with `band_limit=True`; False: it was sampled at the voxels' points.
      None: both are tried, unless the first explains the density, which that
      of a network never does.
    closest: Two atoms are never closer, Å. Static, as all below. The defaults
      are for a density in Å whose atoms weigh their atomic number.
    lightest: Lightest atom that is kept; what promises half of it is tried.
    stand_out: Standard deviations of what is left unexplained that a further
      atom must stand out by.
    rounds: How often, at most, it is looked for further atoms.

  Returns:
    The atoms, in `max_atoms` slots.

  Raises:
    ValueError: If shapes disagree, a CellGrid comes without a cell, or a limit
      is not positive.
  """
  limits = pursuit.Limits(closest, lightest, stand_out, rounds)
  density = _checked(density, grid, 'density', 0)
  cell = _checked_cell(cell, grid, ())
  if logits is not None:
    logits = _checked(logits, grid, 'logits', 1)
  atoms = _decode(
    density,
    cell,
    logits,
    grid=grid,
    sigma=float(sigma),
    max_atoms=int(max_atoms),
    band_limit=band_limit,
    limits=limits,
  )
  return _warned(atoms, max_atoms)


def decode_batch(
  density: Float[ArrayLike, 'B G G G'],
  *,
  grid: grids.Grid,
  sigma: float,
  cell: Float[ArrayLike, 'B 3 3'] | None = None,
  logits: Float[ArrayLike, 'B G G G C'] | None = None,
  max_atoms: int = 256,
  band_limit: bool | None = None,
  closest: float = pursuit.Limits.closest,
  lightest: float = pursuit.Limits.lightest,
  stand_out: float = pursuit.Limits.stand_out,
  rounds: int = pursuit.Limits.rounds,
) -> DecodedAtoms:
  """`decode_density` of each of a batch, compiled once, one after another.

  One after another, because each density stops as soon as it is explained.
  Arguments and errors are those of `decode_density`.
  """
  limits = pursuit.Limits(closest, lightest, stand_out, rounds)
  density = jnp.asarray(density)
  if density.ndim != 4:
    raise ValueError(f'A batch of densities is [B, G, G, G]: {density.shape}.')
  cell = _checked_cell(cell, grid, (len(density),))
  if density.shape[1:] != grid.shape:
    raise ValueError(f'density {density.shape} does not fit {grid}.')
  if logits is not None:
    logits = jnp.asarray(logits)
    if logits.shape[:-1] != density.shape:
      raise ValueError(f'logits {logits.shape}, density {density.shape}.')
  atoms = _decode_batch(
    _floating(density),
    cell,
    logits,
    grid=grid,
    sigma=float(sigma),
    max_atoms=int(max_atoms),
    band_limit=band_limit,
    limits=limits,
  )
  return _warned(atoms, max_atoms)


_STATIC = ('grid', 'sigma', 'max_atoms', 'band_limit', 'limits')


@functools.partial(jax.jit, static_argnames=_STATIC)
def _decode_batch(density, cell, logits, **static):
  def one(args):
    return _decode(*args, **static)

  return jax.lax.map(one, (density, cell, logits))


@functools.partial(jax.jit, static_argnames=_STATIC)
def _decode(
  density, cell, logits, *, grid, sigma, max_atoms, band_limit, limits
):
  def search(space):
    return pursuit.pursue(space, density, max_atoms, limits, logits)

  if isinstance(grid, grids.BoxGrid):
    space = box.BoxSpace(grid, sigma)
    state = search(space)
  elif band_limit is None:
    space = cell_space.CellSpace.of(grid, sigma, cell)
    state = _search_both(space, density, search)
  else:
    space = cell_space.CellSpace.of(grid, sigma, cell, not band_limit)
    state = search(space)
  return _finish(space, density, logits, state, limits.lightest)


def _search_both(space, density, search):
  """The better of two readings of a grid that doesn't resolve the atoms.

  Its density is either limited to what the grid resolves or sampled at points.
  The first, which is the cheaper, is tried first, but where it would have to
  ring below zero and does not; then the other, where that fails.
  """
  rings = jnp.min(density) < -1e-3 * jnp.max(density)
  guess = space.coarse() & ~rings
  rms = jnp.std(density)

  def left(state):
    return jnp.sqrt(jnp.mean(state.residual**2))

  def unsure(carry):
    turn, best = carry
    known = (left(best) < 1e-4 * rms) | space.resolved()
    return (turn == 0) | ((turn == 1) & ~known)

  def attempt(carry):
    turn, best = carry
    aliased = jnp.where(turn == 0, guess, ~guess)
    state = search(type(space).of(space.grid, space.sigma, space.cell, aliased))
    better = (turn == 0) | (left(state) < left(best))
    best = jax.tree.map(lambda n, o: jnp.where(better, n, o), state, best)
    return turn + 1, best

  start = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(lambda: search(space))
  )
  return jax.lax.while_loop(unsure, attempt, (jnp.int32(0), start))[1]


def _finish(space, density, logits, state, lightest):
  """Species, flags, order."""
  positions, weights, residual = state.positions, state.weights, state.residual
  rms = jnp.sqrt(jnp.mean(density**2))
  unexplained = jnp.sqrt(jnp.mean(residual**2)) / jnp.where(rms > 0, rms, 1)
  doubt = jnp.std(space.correlate(residual))
  kept = weights > jnp.maximum(lightest, 3 * doubt)
  inside = space.inside(positions)
  positions = space.fold(positions)
  numbers = species.vote(space, positions, weights, doubt, logits)
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
    residual=unexplained,
    overflow=state.overflow & jnp.all(kept),
  )


def _warned(atoms, max_atoms):
  """Says that slots were too few, where there are values to see it from."""
  if not isinstance(atoms.overflow, jax.core.Tracer):
    if np.any(np.asarray(atoms.overflow)):
      warnings.warn(
        f'There are more atoms than {max_atoms=}; raise it.', stacklevel=3
      )
  return atoms


def _floating(x):
  x = jnp.asarray(x)
  return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def _checked(field, grid, name, extra):
  field = _floating(field)
  if field.ndim != 3 + extra or field.shape[:3] != grid.shape:
    raise ValueError(f'{name} of shape {field.shape} does not fit {grid}.')
  return field


def _checked_cell(cell, grid, batch):
  if isinstance(grid, grids.BoxGrid):
    return None
  if cell is None:
    raise ValueError('A density on a CellGrid needs its cell.')
  cell = _floating(cell)
  if cell.shape != batch + (3, 3):
    raise ValueError(f'cell of shape {cell.shape}, not {batch + (3, 3)}.')
  return cell
