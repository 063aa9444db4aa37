"""Shapes in signatures are true: public functions under a type checker."""

import functools
import inspect

import jax
import jaxtyping
import numpy as np
import pytest

import crystal_jax as cj
from tests import codecs, crystals
from tests.test_annotations import public_functions

beartype = pytest.importorskip('beartype').beartype

BOX, CELL = cj.BoxGrid(4.0, 8), cj.CellGrid(8)
# Methods whose types are imported by type checkers alone.
UNRESOLVED = 'Codec.fit_head', 'Codec.optimize'


def checked(function):
  """The function, an error if what goes in or out has not the shape it says."""
  return jaxtyping.jaxtyped(function, typechecker=beartype)


@functools.cache
def codec():
  return codecs.through()


@functools.cache
def predictor():
  return codecs.untrained(properties=('num_atoms',))


def arrays(crystal=None):
  crystal = crystal or crystals.perovskite()
  return crystal.positions, crystal.numbers, crystal.cell


def traced(function, *args, **options):
  """Shapes of the result, without compilation."""
  return jax.eval_shape(functools.partial(function, **options), *args)


def batched(args):
  return [np.stack([x, x]) for x in args]


def decoded(function, shape=(8, 8, 8)):
  density, cell = (
    np.zeros(shape),
    np.broadcast_to(np.eye(3), (*shape[:-3], 3, 3)),
  )
  return jax.eval_shape(
    lambda d, c: function(d, cell=c, grid=CELL, sigma=0.5, max_atoms=8),
    density,
    cell,
  )


def alone(crystal):
  """The atoms of one cell, as a decoder gives them."""
  size = len(crystal.numbers)
  return cj.DecodedAtoms(
    positions=crystal.positions,
    numbers=crystal.numbers,
    weights=crystal.numbers.astype(float),
    mask=np.ones(size, bool),
    inside=np.ones(size, bool),
    residual=np.zeros(()),
    overflow=np.zeros((), bool),
    length=6.0,
  )


def encoded(function):
  model, batch = predictor().to_arrays(crystals.bcc())
  return traced(functools.partial(function, predictor(), model=model), batch)


CALLS = {
  'BoxGrid.axis': lambda f: f(BOX),
  'voxelize': lambda f: traced(
    f, *arrays(), grid=BOX, sigma=0.5, max_images=64
  ),
  'voxelize_batch': lambda f: traced(
    f, *batched(arrays()), grid=CELL, sigma=0.5, max_images=64
  ),
  'count_images': lambda f: f(arrays()[0], arrays()[2], grid=BOX, sigma=0.5),
  'label_species': lambda f: traced(f, *arrays(), grid=BOX, max_images=64),
  'decode_density': decoded,
  'decode_batch': lambda f: decoded(f, (2, 8, 8, 8)),
  'find_lattice': lambda f: f(alone(crystals.bcc()), prior=np.eye(3)),
  'assemble': lambda f: f(alone(crystals.perovskite()), 3.905 * np.eye(3)),
  'Codec.encode': lambda f: f(codec(), crystals.bcc(), std=True),
  'Codec.decode': lambda f: f(codec(), codec().encode(crystals.bcc())),
  'Codec.kl': lambda f: f(codec(), [crystals.bcc(), crystals.hydride()]),
  'Codec.encode_arrays': encoded,
  'Codec.decode_arrays': lambda f: traced(
    functools.partial(f, predictor()), np.zeros((2, predictor().size))
  ),
  'Codec.residuals': lambda f: f(codec()),
  'Codec.certain': lambda f: f(codec()),
  'Codec.predict': lambda f: f(predictor(), np.zeros((2, predictor().size))),
  'Codec.nearest': lambda f: f(
    codec(), crystals.bcc(), [crystals.hydride(), crystals.bcc()], k=1
  ),
}


@pytest.mark.parametrize('name', CALLS)
def test_shapes_are_those_of_the_signature(name):
  CALLS[name](checked(dict(public_functions())[name]))


def test_every_function_with_shapes_is_called():
  with_shapes = {
    name
    for name, function in public_functions()
    if any(
      f'{kind}[' in str(annotation)
      for annotation in inspect.get_annotations(function).values()
      for kind in ('Float', 'Int', 'Num', 'Bool')
    )
  }
  assert len(with_shapes) > 10
  assert with_shapes - set(CALLS) - set(UNRESOLVED) == set()


def test_a_wrong_shape_is_found():
  wrong = checked(dict(public_functions())['voxelize'])
  positions, numbers, cell = arrays()
  with pytest.raises(jaxtyping.TypeCheckError):
    wrong(positions[:, :2], numbers, cell, grid=BOX, sigma=0.5)

  def transposed(x: jaxtyping.Float[np.ndarray, 'N 3']):
    return x.T

  transposed.__annotations__['return'] = jaxtyping.Float[np.ndarray, 'N 3']
  with pytest.raises(jaxtyping.TypeCheckError):
    checked(transposed)(positions)
