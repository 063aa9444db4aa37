"""The pursuit as a loop on the host, which compiles only the steps it needs.

As one program, `pursuit.pursue` contains a fit for each of `refit.sizes`, and
takes long to compile. One density needs one or two of them. Here each step is a
separate program, and the host decides which one is next.
"""

import jax

from crystal_jax.decoding import box, pursuit, refit
from crystal_jax.decoding import cell as cell_space
from crystal_jax.density import grids


def make_space(grid, sigma, cell, aliased):
  """The space of a grid; a `CellGrid` needs `cell` and `aliased`."""
  if isinstance(grid, grids.BoxGrid):
    return box.BoxSpace(grid, sigma)
  return cell_space.CellSpace.of(grid, sigma, cell, aliased)


def pursue(
  density, cell, aliased, logits, *, grid, sigma, max_atoms, config
) -> pursuit.Pursuit:
  """`pursuit.pursue` of a density that is not traced.

  Args:
    density: Density, [G, G, G].
    cell: Lattice vectors as rows, Å; None in a box.
    aliased: As for `make_space`; a bool is static, an array is not.
    logits: Logits of species, [G, G, G, classes], or None.
    grid: The grid.
    sigma: Width of an atom, Å.
    max_atoms: Number of slots.
    config: Which peaks are atoms, and when the pursuit stops.
  """
  static = dict(grid=grid, sigma=sigma, config=config)
  if isinstance(aliased, bool):
    static['known_aliased'], aliased = aliased, None
  where = cell, aliased
  target, level, state = _begin(
    where, density, logits, max_atoms=max_atoms, **static
  )
  while True:
    phase, turn, count = jax.device_get((state.phase, state.turn, state.known))
    if not pursuit.unfinished(config, phase, turn):
      return state
    if phase == pursuit.ADD:
      state, count = _add(where, level, state, **static)
    size = next(n for n in refit.sizes(max_atoms) if n >= count)
    state = _fit(where, density, target, state, size=size, **static)


_STATIC = ('grid', 'sigma', 'known_aliased', 'max_atoms', 'config', 'size')


def _program(function):
  """Decorator: jits a step, and makes its space from arrays and statics."""

  def program(where, *args, grid, sigma, known_aliased=None, **static):
    cell, aliased = where
    aliased = aliased if known_aliased is None else known_aliased
    space = make_space(grid, sigma, cell, aliased)
    return function(space, *args, **static)

  program.__name__ = function.__name__
  return jax.jit(program, static_argnames=_STATIC)


@_program
def _begin(space, density, logits, *, max_atoms, config):
  return pursuit.begin(space, density, max_atoms, config, logits)


@_program
def _add(space, level, state, *, config):
  state = pursuit.add(space, level, config, state)
  return state, state.count()


@_program
def _fit(space, density, target, state, *, config, size):
  return pursuit.fit(space, density, target, config, state, size)
