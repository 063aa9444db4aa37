"""The pursuit step by step from the host, which compiles only what it needs.

As one program, `pursuit.pursue` holds a fit of each of `refit.sizes`, and takes
long to compile. One density needs one or two of them. So here each step is a
program of its own, and the host decides what comes next.
"""

import jax

from crystal_jax.decoding import box, pursuit, refit
from crystal_jax.decoding import cell as cell_space
from crystal_jax.density import grids


def make_space(grid, sigma, cell, aliased):
  """The space of a grid; `cell` and `aliased` (of `CellSpace`) of a cell's."""
  if isinstance(grid, grids.BoxGrid):
    return box.BoxSpace(grid, sigma)
  return cell_space.CellSpace.of(grid, sigma, cell, aliased)


def pursue(
  density, cell, aliased, logits, *, grid, sigma, max_atoms, limits
) -> pursuit.Search:
  """`pursuit.pursue` of a density that is not traced.

  Args:
    density: [G, G, G].
    cell: Lattice vectors as rows, Å; None in a box.
    aliased: As of `make_space`; a bool is static, an array is not.
    logits: [G, G, G, classes] or None.
    grid: The grid.
    sigma: Width of an atom, Å.
    max_atoms: Slots.
    limits: What counts as an atom, and when to stop.
  """
  static = dict(grid=grid, sigma=sigma, limits=limits)
  if isinstance(aliased, bool):
    static['said'], aliased = aliased, None
  where = cell, aliased
  target, level, state = _begin(
    where, density, logits, max_atoms=max_atoms, **static
  )
  while True:
    phase, turn, count = jax.device_get((state.phase, state.turn, state.known))
    if not pursuit.unfinished(limits, phase, turn):
      return state
    if phase == pursuit.LOOK:
      state, count = _look(where, level, state, **static)
    size = next(n for n in refit.sizes(max_atoms) if n >= count)
    state = _fit(where, density, target, state, size=size, **static)


_STATIC = ('grid', 'sigma', 'said', 'max_atoms', 'limits', 'size')


def _program(function):
  """Compiled; makes the space that it is given as arrays and static parts."""

  def program(where, *args, grid, sigma, said=None, **static):
    cell, aliased = where
    space = make_space(grid, sigma, cell, aliased if said is None else said)
    return function(space, *args, **static)

  program.__name__ = function.__name__
  return jax.jit(program, static_argnames=_STATIC)


@_program
def _begin(space, density, logits, *, max_atoms, limits):
  return pursuit.begin(space, density, max_atoms, limits, logits)


@_program
def _look(space, level, state, *, limits):
  state = pursuit.look(space, level, limits, state)
  return state, state.count()


@_program
def _fit(space, density, target, state, *, limits, size):
  return pursuit.fit(space, density, target, limits, state, size)
