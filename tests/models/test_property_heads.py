"""Property heads: units, spreads, crystal systems, what is not known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models.property_heads import (
  PropertyHeads,
  columns_of,
)
from crystal_jax.structure.crystal_systems import CRYSTAL_SYSTEMS
from crystal_jax.training.property_terms import (
  PropertyWeights,
  property_terms,
)

SCALARS = 'num_atoms', 'volume_per_atom', 'band_gap'
HEADS = PropertyHeads((*SCALARS, 'crystal_system', 'element_fractions'))
WEIGHTS = PropertyWeights(1.0, 1.0, 1.0, 1.0, 1.0)


def crystals(number=40, seed=0):
  rng = np.random.default_rng(seed)
  atoms = rng.integers(1, 7, number)
  numbers = rng.integers(1, 95, (number, 6)) * (np.arange(6) < atoms[:, None])
  return {
    'numbers': numbers.astype(np.int32),
    'cell': (rng.uniform(3, 6, (number, 1, 1)) * np.eye(3)).astype(np.float32),
    'band_gap': rng.gamma(2.0, 1.0, number).astype(np.float32),
    'spacegroup_number': rng.integers(1, 231, number).astype(np.float32),
  }


def exact(name, values):
  """Latents [B, 1], and a head that reads `values` off them."""
  heads = PropertyHeads((name,))
  params = heads.init(1, values)
  targets = heads.targets(params, values)[name]
  params[name]['kernel'] = jnp.ones((1, 1))
  return heads, params, targets


@pytest.mark.parametrize('name', SCALARS)
def test_values_are_in_units(name):
  batch = crystals()
  heads, params, z = exact(name, batch)
  np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=1e-5)
  found, _ = heads.read(params, z)[name]
  count = (batch['numbers'] > 0).sum(1)
  true = {
    'num_atoms': count,
    'volume_per_atom': np.linalg.det(batch['cell']) / count,
    'band_gap': batch['band_gap'],
  }
  np.testing.assert_allclose(found, true[name], rtol=1e-4)


@pytest.mark.parametrize('name', SCALARS)
def test_spread_is_that_of_sampled_latents(name):
  heads, params, z = exact(name, crystals())
  std = jnp.full_like(z, 0.02)
  noise = 0.02 * jax.random.normal(jax.random.key(0), (4000, *z.shape))
  values = jax.vmap(lambda n: heads.read(params, z + n)[name][0])(noise)
  _, spread = heads.read(params, z, std)[name]
  np.testing.assert_allclose(spread, values.std(0), rtol=0.06)


def test_crystal_systems_are_those_of_the_international_tables():
  last = {2: 0, 15: 1, 74: 2, 142: 3, 167: 4, 194: 5, 230: 6}
  groups = np.arange(1, 231)
  batch = {'spacegroup_number': groups.astype(np.float32)}
  batch |= {'numbers': np.ones((230, 1), np.int32)}
  heads = PropertyHeads(('crystal_system',))
  found = heads.targets({}, batch)['crystal_system'].argmax(1)
  true = [min(v for k, v in last.items() if g <= k) for g in groups]
  np.testing.assert_array_equal(found, true)
  assert CRYSTAL_SYSTEMS[found[224]] == 'cubic'  # Fm-3m


def test_only_what_is_not_computed_is_a_column():
  assert columns_of(HEADS.names) == ('band_gap', 'spacegroup_number')
  assert columns_of(('num_atoms', 'element_fractions')) == ()


@pytest.mark.slow
@pytest.mark.parametrize('column', ['band_gap', 'spacegroup_number'])
def test_what_is_not_known_counts_for_nothing(column):
  batch = crystals()
  params = HEADS.init(8, batch)
  params = jax.tree.map(
    lambda x: x + 0.1 * jax.random.normal(jax.random.key(1), x.shape), params
  )
  z = jax.random.normal(jax.random.key(0), (40, 8))

  def loss(z, batch, valid):
    terms, _ = property_terms(HEADS, params, z, batch, valid, WEIGHTS)
    name = 'crystal_system' if column == 'spacegroup_number' else column
    total, count = terms[f'head_{name}']
    return total / count

  missing = {n: x.copy() for n, x in batch.items()}
  missing[column][5:] = np.nan
  first = {n: x[:5] for n, x in batch.items()}
  found, gradient = jax.value_and_grad(loss)(z, missing, jnp.ones(40))
  np.testing.assert_allclose(found, loss(z[:5], first, jnp.ones(5)), rtol=1e-5)
  assert np.isfinite(gradient).all()
  assert not np.any(gradient[5:])


def test_heads_learn_what_is_linear():
  batch = crystals(200)
  params = HEADS.init(30, batch)
  fractions = HEADS.targets(params, batch)['element_fractions']
  mix = jax.random.normal(jax.random.key(0), (94, 30))
  z = fractions @ mix

  @jax.jit
  def step(params):
    def loss(params):
      terms, _ = property_terms(HEADS, params, z, batch, jnp.ones(200), WEIGHTS)
      total, count = terms['head_element_fractions']
      return total / count

    gradient = jax.grad(loss)(params)
    return jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient)

  before = HEADS.read(params, z)['element_fractions'][0]
  for _ in range(300):
    params = step(params)
  after = HEADS.read(params, z)['element_fractions'][0]
  wrong = [float(jnp.abs(x - fractions).sum(1).mean()) for x in (before, after)]
  assert wrong[1] < 0.7 * wrong[0]


def test_a_column_that_no_crystal_has_is_an_error():
  batch = crystals() | {'band_gap': np.full(40, np.nan, np.float32)}
  with pytest.raises(ValueError, match="has a 'band_gap'"):
    HEADS.init(8, batch)
