"""Density to atoms: look for peaks, fit them, look again at what is left.

Each round sharpens what the atoms so far do not explain, takes its maxima as
new atoms, and refits all positions and weights together by damped
Gauss-Newton steps (Levenberg-Marquardt) on the exact sum of Gaussians. Weights
stay non-negative; atoms that explain nothing are dropped, and atoms that fall
together are merged. The loop ends when a round finds nothing new. In a box,
atoms just outside the walls shine in: they are fitted too, and flagged.

The density is Z-weighted Gaussians, not an electron density.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from crystal_jax import grids
from crystal_jax.decoding import box, peaks, refit, species
from crystal_jax.decoding import cell as cell_space

# Two atoms are never closer; closer seeds are one atom. Å.
CLOSEST = 0.4
# Lightest atom that is kept, where the noise allows: hydrogen weighs 1.
LIGHTEST = 0.5
# Narrower width over σ, and ridge, of each level of sharpening.
LEVELS = ((0.55, 1e-5), (0.7, 1e-3), (0.9, 3e-2))
# Height of the ringing around a sharpened atom, of its peak.
RINGING = 0.05
# Standard deviations of what is left that a further atom must stand out by.
NOISE = 5.0
ROUNDS = 12


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

  Returns:
    The atoms, in `max_atoms` slots.

  Raises:
    ValueError: If shapes disagree, or a CellGrid comes without a cell.
  """
  density = _checked(density, grid, 'density', 0)
  cell = _checked_cell(cell, grid, ())
  if logits is not None:
    logits = _checked(logits, grid, 'logits', 1)
  return _decode(density, cell, logits, grid, float(sigma), int(max_atoms))


def decode_batch(
  density: Float[ArrayLike, 'B G G G'],
  *,
  grid: grids.Grid,
  sigma: float,
  cell: Float[ArrayLike, 'B 3 3'] | None = None,
  logits: Float[ArrayLike, 'B G G G C'] | None = None,
  max_atoms: int = 256,
) -> DecodedAtoms:
  """`decode_density` of each of a batch, compiled once, one after another.

  One after another, because each density stops as soon as it is explained.
  """
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
  return _decode_batch(
    _floating(density), cell, logits, grid, float(sigma), int(max_atoms)
  )


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _decode_batch(density, cell, logits, grid, sigma, max_atoms):
  def one(args):
    return _decode(*args, grid, sigma, max_atoms)

  return jax.lax.map(one, (density, cell, logits))


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _decode(density, cell, logits, grid, sigma, max_atoms):
  if isinstance(grid, grids.BoxGrid):
    space = box.BoxSpace(grid, sigma)
  else:
    # A band-limited density rings below zero; sampled Gaussians never do.
    deepest = 1e-3 * jnp.max(density)
    space = cell_space.CellSpace(
      grid, sigma, cell, aliased=jnp.min(density) > -deepest
    )
  level = _level(space, density)
  target = space.prepare(density)

  def unfinished(state):
    return (state.phase < _DONE) & (state.turn < ROUNDS)

  def look_again(state):
    def look(state):
      seeds = _seeds(space, state.residual, level, max_atoms, state.turn > 0)
      return _insert(space, state, *seeds)

    known = jnp.sum(state.weights > 0)
    before = jnp.std(state.residual)
    state = jax.lax.cond(state.phase == _LOOK, look, lambda s: s, state)
    positions, weights, left, moving = refit.refit(
      space, target, state.positions, state.weights
    )
    residual = space.residual(density, target, left)
    positions, weights, fewer = _clean(space, positions, weights)
    # What is added and dropped again, round after round, is no gain.
    gained = jnp.sum(weights > 0) > known
    gained = gained | (jnp.std(residual) < 0.7 * before)
    again = jnp.where(moving | fewer, _SETTLE, _DONE)
    phase = jnp.where(gained & (state.phase == _LOOK), _LOOK, again)
    return dataclasses.replace(
      state,
      positions=positions,
      weights=weights,
      residual=residual,
      phase=phase,
      turn=state.turn + 1,
    )

  none = jnp.zeros((max_atoms, 3), density.dtype)
  state = _Search(
    positions=none,
    weights=none[:, 0],
    residual=density,
    phase=jnp.int32(_LOOK),
    turn=jnp.int32(0),
    overflow=jnp.bool_(False),
  )
  state = jax.lax.while_loop(unfinished, look_again, state)
  return _finish(space, density, logits, state)


# Whether it is looked for further atoms, or those there are come to rest.
_LOOK, _SETTLE, _DONE = 0, 1, 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Search:
  """Atoms so far, filled slots first, and what they leave unexplained."""

  positions: Float[Array, 'K 3']
  weights: Float[Array, 'K']
  residual: Float[Array, 'G G G']
  phase: Int[Array, '']
  turn: Int[Array, '']
  overflow: Bool[Array, '']


def _level(space, density):
  """The sharpest level whose noise stays below the lightest atom's peak."""
  noise = peaks.white_noise(density)
  noise = jnp.maximum(noise, 3e-6 * jnp.max(jnp.abs(density)))
  level = jnp.int32(len(LEVELS) - 1)
  for i, (ratio, ridge) in reversed(list(enumerate(LEVELS[:-1]))):
    width = ratio * space.sigma
    noisy = 5 * noise * space.gain(width, ridge)
    level = jnp.where(noisy < LIGHTEST * space.peak(width), i, level)
  return level


def _seeds(space, residual, level, slots, again):
  """Maxima of the sharpened residual: places, weights, how many."""

  def at(ratio, ridge):
    def look(residual):
      width = ratio * space.sigma
      field = space.sharpen(residual, width, ridge)
      unit = space.peak(width)
      # Sharpening rings; what hides in the ringing shows in the next round,
      # when it has to stand out from what else is left.
      least = jnp.maximum(0.5 * LIGHTEST * unit, RINGING * jnp.max(field))
      noise = jnp.where(again, NOISE * peaks.spread(field), 0)
      least = jnp.maximum(least, noise)
      index, heights, count = peaks.maxima(
        field, least, slots, periodic=space.periodic
      )
      return space.locate(index), heights / unit, count

    return look

  return jax.lax.switch(level, [at(*pair) for pair in LEVELS], residual)


def _insert(space, state, places, heights, count):
  """Seeds after the atoms, those on top of an atom left out."""
  slots = len(heights)
  full = state.weights > 0
  near = space.distances(places, state.positions) < CLOSEST
  new = (heights > 0) & ~jnp.any(near & full[None, :], axis=1)
  slot = jnp.sum(full) + jnp.cumsum(new) - 1
  overflow = jnp.any(new & (slot >= slots)) | (count > slots)
  slot = jnp.where(new, slot, slots)  # past the end: dropped
  return dataclasses.replace(
    state,
    positions=state.positions.at[slot].set(places, mode='drop'),
    weights=state.weights.at[slot].set(heights, mode='drop'),
    overflow=state.overflow | overflow,
  )


def _clean(space, positions, weights):
  """Drops what explains nothing, merges, and fills the gaps in the slots."""
  before = jnp.sum(weights > 0)
  weights = jnp.where(weights > 0.5 * LIGHTEST, weights, 0)
  positions, weights = _merge(space, positions, weights)
  order = jnp.argsort(weights <= 0, stable=True)
  fewer = jnp.sum(weights > 0) < before
  return positions[order], weights[order], fewer


def _merge(space, positions, weights):
  """Atoms that fell together become one; the heavier stays, with the sum."""
  index = jnp.arange(len(weights))
  full = weights > 0
  close = space.distances(positions, positions) < CLOSEST
  close = close & full[None, :] & full[:, None]
  heavier = (weights[None, :] > weights[:, None]) | (
    (weights[None, :] == weights[:, None]) & (index[None] < index[:, None])
  )
  swallowed = jnp.any(close & heavier, axis=1)
  total = jnp.sum(jnp.where(close, weights[None, :], 0), axis=1)
  return positions, jnp.where(swallowed | ~full, 0, total)


def _finish(space, density, logits, state):
  """Species, flags, order."""
  positions, weights, residual = state.positions, state.weights, state.residual
  rms = jnp.sqrt(jnp.mean(density**2))
  unexplained = jnp.sqrt(jnp.mean(residual**2)) / jnp.where(rms > 0, rms, 1)
  doubt = jnp.std(space.correlate(residual))
  kept = weights > jnp.maximum(LIGHTEST, 3 * doubt)
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
    overflow=state.overflow,
  )


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
