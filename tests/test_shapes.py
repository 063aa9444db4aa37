"""Shapes in signatures are true: public functions under a type checker."""

import functools
import inspect

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


def arrays():
  crystal = crystals.perovskite()
  return crystal.positions, crystal.numbers, crystal.cell


def density():
  return cj.voxelize(*arrays(), grid=CELL, sigma=0.5)


def decoded(function, *, batch):
  values, cell = np.asarray(density()), crystals.perovskite().cell
  if batch:
    values, cell = values[None], cell[None]
  return function(values, grid=CELL, sigma=0.5, cell=cell, max_atoms=8)


def fit(function):
  crystal = crystals.bcc()
  box = cj.BoxGrid(6.0, 24)
  there = cj.voxelize(*crystal_arrays(crystal), grid=box, sigma=0.5)
  return function(cj.decode_density(there, grid=box, sigma=0.5), there)


def crystal_arrays(crystal):
  return crystal.positions, crystal.numbers, crystal.cell


def posterior(function):
  model, batch = codec().to_arrays(crystals.bcc())
  return function(codec(), batch, model=model)


CALLS = {
  'voxelize': lambda f: f(*arrays(), grid=BOX, sigma=0.5),
  'voxelize_batch': lambda f: f(
    *(np.stack([x, x]) for x in arrays()), grid=CELL, sigma=0.5
  ),
  'count_images': lambda f: f(arrays()[0], arrays()[2], grid=BOX, sigma=0.5),
  'label_species': lambda f: f(*arrays(), grid=BOX),
  'decode_density': lambda f: decoded(f, batch=False),
  'decode_batch': lambda f: decoded(f, batch=True),
  'find_lattice': fit,
  'assemble': lambda f: f(
    decoded(cj.decode_density, batch=False), crystals.perovskite().cell
  ),
  'Codec.encode': lambda f: f(codec(), crystals.bcc(), std=True),
  'Codec.decode': lambda f: f(codec(), codec().encode(crystals.bcc())),
  'Codec.kl': lambda f: f(codec(), [crystals.bcc(), crystals.hydride()]),
  'Codec.encode_arrays': posterior,
  'Codec.decode_arrays': lambda f: f(
    predictor(), predictor().encode(crystals.bcc())
  ),
  'Codec.residuals': lambda f: f(codec()),
  'Codec.certain': lambda f: f(codec()),
  'Codec.predict': lambda f: f(predictor(), crystals.bcc()),
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
