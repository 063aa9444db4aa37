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
from crystal_jax.decoding import gaussians, peaks, species

# Two atoms are never closer; closer seeds are one atom. Å.
CLOSEST = 0.4
# Lightest atom that is kept, where the noise allows: hydrogen weighs 1.
LIGHTEST = 0.5
ROUNDS = 6
STEPS = 5


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
  where = dict(grid=grid, sigma=sigma)
  level = _level(density, cell, **where)
  seed = functools.partial(_seeds, cell=cell, level=level, **where)
  k = max_atoms
  empty = (jnp.zeros((k, 3), density.dtype), jnp.zeros(k, density.dtype))

  def unfinished(state):
    *_, new, turn, _ = state
    return (new > 0) & (turn < ROUNDS)

  def look_again(state):
    positions, weights, residual, _, turn, overflow = state
    positions, weights, new, full = _insert(
      positions, weights, *seed(residual, positions, weights, turn), cell, grid
    )
    positions, weights, residual = _refit(
      density, positions, weights, cell, **where
    )
    return positions, weights, residual, new, turn + 1, overflow | full

  turn, overflow = jnp.int32(0), jnp.bool_(False)
  state = (*empty, density, jnp.int32(1), turn, overflow)
  state = jax.lax.while_loop(unfinished, look_again, state)
  positions, weights, residual, _, _, overflow = state
  return _finish(
    density, logits, positions, weights, residual, overflow, cell, **where
  )


def _level(density, cell, *, grid, sigma):
  """The sharpest level whose noise stays below the lightest atom's peak."""
  noise = peaks.white_noise(density, periodic=isinstance(grid, grids.CellGrid))
  noise = jnp.maximum(noise, 3e-6 * jnp.max(jnp.abs(density)))
  levels = peaks.sharpeners(grid, sigma)
  level = jnp.int32(len(levels) - 1)
  for i in reversed(range(len(levels) - 1)):
    gain = peaks.gain(cell, grid=grid, sigma=sigma, sharpener=levels[i])
    fine = 5 * noise * gain < LIGHTEST * gaussians.peak(levels[i].width)
    level = jnp.where(fine, i, level)
  return level


def _seeds(residual, positions, weights, turn, cell, level, *, grid, sigma):
  """Maxima of the sharpened residual: places [K, 3] and weights [K]."""
  periodic = isinstance(grid, grids.CellGrid)
  slots = positions.shape[0]
  matched = gaussians.correlate(residual, cell, grid=grid, sigma=sigma)
  spread = jnp.where(turn > 0, 4 * jnp.std(matched), 0)
  lightest = jnp.maximum(LIGHTEST, spread)

  def at(sharpener):
    def run(residual):
      field = peaks.sharpen(
        residual, cell, grid=grid, sigma=sigma, sharpener=sharpener
      )
      unit = gaussians.peak(sharpener.width)
      index, heights, count = peaks.maxima(
        field, 0.5 * lightest * unit, slots, periodic=periodic
      )
      places = peaks.to_cartesian(
        index, cell, grid=grid, margin=sharpener.margin
      )
      return places, heights / unit, count

    return run

  levels = peaks.sharpeners(grid, sigma)
  return jax.lax.switch(level, [at(s) for s in levels], residual)


def _insert(positions, weights, places, heights, count, cell, grid):
  """Seeds into free slots, those on top of an atom left out."""
  slots = len(weights)
  full = weights > 0
  near = _distances(places, positions, cell, grid) < CLOSEST
  new = (heights > 0) & ~jnp.any(near & full[None, :], axis=1)
  free = jnp.cumsum(~full)
  slot = jnp.searchsorted(free, jnp.cumsum(new)).astype(jnp.int32)
  slot = jnp.where(new, slot, slots)  # past the end: dropped
  overflow = jnp.any(new & (jnp.cumsum(new) > free[-1])) | (count > slots)
  positions = positions.at[slot].set(places, mode='drop')
  weights = weights.at[slot].set(heights, mode='drop')
  return positions, weights, jnp.sum(new), overflow


def _distances(a, b, cell, grid):
  apart = a[:, None] - b[None, :]
  if isinstance(grid, grids.CellGrid):
    fractional = apart @ jnp.linalg.inv(cell)
    apart = (fractional - jnp.round(fractional)) @ cell
  return jnp.sqrt(jnp.sum(apart**2, axis=-1))


def _refit(density, positions, weights, cell, *, grid, sigma):
  """A few Levenberg-Marquardt steps, then dropping and merging."""
  where = dict(grid=grid, sigma=sigma)

  def measure(positions, weights):
    residual, gradient = gaussians.misfit(
      density, positions, weights, cell, **where
    )
    return residual, gradient, jnp.sum(residual**2)

  def step(_, state):
    positions, weights, residual, gradient, cost, damping = state
    normal = gaussians.normal_matrix(positions, weights, cell, **where)
    move = _solve(normal, gradient, weights, damping, sigma)
    shift = move[:, :3]
    length = jnp.sqrt(jnp.sum(shift**2, axis=-1, keepdims=True))
    shift = shift * jnp.minimum(1, 0.5 * sigma / jnp.maximum(length, 1e-9))
    new_positions = positions + shift
    new_weights = jnp.where(
      weights > 0, jnp.maximum(weights + move[:, 3], 1e-3), 0
    )
    new = measure(new_positions, new_weights)
    better = new[2] < cost
    damping = jnp.where(better, damping * 0.1, damping * 10)
    old = (positions, weights, residual, gradient, cost)
    new = (new_positions, new_weights, *new)
    kept = jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)
    return (*kept, jnp.clip(damping, 1e-6, 1e3))

  start = (positions, weights, *measure(positions, weights))
  start = (*start, jnp.asarray(1e-3, density.dtype))
  positions, weights, *_ = jax.lax.fori_loop(0, STEPS, step, start)
  weights = jnp.where(weights > 0.5 * LIGHTEST, weights, 0)
  positions, weights = _merge(positions, weights, cell, grid)
  residual, *_ = measure(positions, weights)
  return positions, weights, residual


def _solve(normal, gradient, weights, damping, sigma):
  """The damped step [K, 4]; nothing in empty slots."""
  k = len(weights)
  unit = normal[:, 3, :, 3].diagonal()
  # What a position column weighs for an atom of this weight, far from walls.
  scale = (
    jnp.maximum(weights, 1.0)[:, None]
    * jnp.asarray([0.7 / sigma] * 3 + [0.0], weights.dtype)[None]
  )
  scale = scale + jnp.asarray([0, 0, 0, 1.0], weights.dtype)[None]
  lift = damping * scale**2 * jnp.maximum(unit, jnp.max(unit) * 1e-3)[:, None]
  full = (weights > 0)[:, None] & jnp.ones((1, 4), bool)
  lift = jnp.where(full, lift, 1.0).reshape(-1)
  both = full.reshape(-1)
  matrix = jnp.where(
    both[:, None] & both[None, :], normal.reshape(4 * k, 4 * k), 0
  )
  # Equal units before the factorization: float32 has no digits to spare.
  diagonal = jnp.sqrt(matrix.diagonal() + lift + 1e-12)
  matrix = (matrix + jnp.diag(lift)) / diagonal[:, None] / diagonal[None, :]
  matrix = matrix + 1e-6 * jnp.eye(4 * k, dtype=matrix.dtype)
  factor = jax.scipy.linalg.cho_factor(matrix)
  right = jnp.where(both, gradient.reshape(-1), 0) / diagonal
  move = jax.scipy.linalg.cho_solve(factor, right) / diagonal
  move = jnp.where(jnp.isfinite(move), move, 0)
  return jnp.where(full, move.reshape(k, 4), 0)


def _merge(positions, weights, cell, grid):
  """Atoms that fell together become one; the heavier stays, with the sum."""
  slots = len(weights)
  full = weights > 0
  close = _distances(positions, positions, cell, grid) < CLOSEST
  close = close & full[None, :] & full[:, None]
  index = jnp.arange(slots)
  heavier = (weights[None, :] > weights[:, None]) | (
    (weights[None, :] == weights[:, None]) & (index[None] < index[:, None])
  )
  swallowed = jnp.any(close & heavier, axis=1)
  total = jnp.sum(jnp.where(close, weights[None, :], 0), axis=1)
  return positions, jnp.where(swallowed, 0, jnp.where(full, total, 0))


def _finish(
  density, logits, positions, weights, residual, overflow, cell, *, grid, sigma
):
  """Species, flags, order."""
  rms = jnp.sqrt(jnp.mean(density**2))
  unexplained = jnp.sqrt(jnp.mean(residual**2)) / jnp.where(rms > 0, rms, 1)
  matched = gaussians.correlate(residual, cell, grid=grid, sigma=sigma)
  doubt = jnp.std(matched)
  kept = weights > jnp.maximum(LIGHTEST, 3 * doubt)
  if isinstance(grid, grids.BoxGrid):
    inside = jnp.all(jnp.abs(positions) <= grid.length / 2, axis=-1)
  else:
    inside = jnp.ones_like(kept)
    fractional = positions @ jnp.linalg.inv(cell)
    positions = (fractional - jnp.floor(fractional)) @ cell
  numbers = species.vote(positions, weights, doubt, logits, cell, grid=grid)
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
    overflow=overflow,
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
