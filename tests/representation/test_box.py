"""The box of the paper: inputs of crystals, and crystals of outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec.model import make_model
from tests import crystals


def arrays_of(*structures):
  """Padded arrays, as a data set gives them."""
  slots = max(len(c.numbers) for c in structures)
  padded = [c.pad(slots) for c in structures]
  return {
    'id': np.array([f'c{i}' for i in range(len(structures))]),
    'numbers': np.stack([c.numbers for c in padded]),
    'positions': np.stack([c.positions for c in padded]).astype(np.float32),
    'cell': np.stack([c.cell for c in padded]).astype(np.float32),
    'energy': np.zeros(len(structures), np.float32),
  }


def batch_of(arrays):
  count = len(arrays['numbers'])
  columns = {name: c for name, c in arrays.items() if name != 'id'}
  index = np.arange(count, dtype=np.int32)
  return columns | {
    'index': index,
    'sample': index,
    'mask': np.ones(count, bool),
  }


def prepared(config, *structures):
  """The box, sized for some crystals, and their batch."""
  box = make_model(config.model).representation
  arrays, dropped = box.prepare(arrays_of(*structures))
  assert not dropped
  return box.sized(arrays), batch_of(arrays)


def test_random_numbers_depend_on_key_and_index(tiny_config):
  box, batch = prepared(
    tiny_config, crystals.perovskite(), crystals.perovskite()
  )
  make = jax.jit(box.examples)
  first = make(jax.random.key(0), batch).inputs['density']
  again = make(jax.random.key(0), batch).inputs['density']
  other = make(jax.random.key(1), batch).inputs['density']
  np.testing.assert_array_equal(first, again)
  assert jnp.abs(first - other).max() > 0.1
  assert jnp.abs(first[0] - first[1]).max() > 0.1
  # The second example alone, with its place in the batch, is the same.
  alone = {name: column[1:] for name, column in batch.items()}
  one = make(jax.random.key(0), alone).inputs['density']
  np.testing.assert_array_equal(one[0], first[1])


@pytest.mark.parametrize('filling', ['repeating', 'single_cell'])
def test_without_a_key_nothing_is_random(tiny_config, filling):
  tiny_config.model.box.filling = filling
  tiny_config.model.box.length = 10.0
  crystal = crystals.perovskite()
  box, batch = prepared(tiny_config, crystal, crystal)
  made = jax.jit(box.examples)(None, batch)
  np.testing.assert_array_equal(*made.inputs['density'])
  np.testing.assert_allclose(made.targets['cell'][1], crystal.cell, atol=1e-6)
  np.testing.assert_array_equal(*made.targets['positions'])


def test_density_and_labels_are_of_the_same_atoms(tiny_config):
  """One cell alone: the density integrates to Z, and labels name its atoms."""
  tiny_config.model.box.filling = 'single_cell'
  tiny_config.model.box.length, tiny_config.model.box.size = 10.0, 40
  crystal = crystals.perovskite()
  box, batch = prepared(tiny_config, crystal)
  made = jax.jit(box.examples)(jax.random.key(0), batch)
  total = made.inputs['density'].sum() * box.grid.spacing**3
  np.testing.assert_allclose(total, crystal.numbers.sum(), rtol=1e-3)
  labels = np.asarray(made.targets['labels'])
  assert set(np.unique(labels)) == {0, *crystal.numbers.tolist()}


def test_columns_are_those_that_are_needed(tiny_config):
  tiny_config.model.lattice_head.enabled = True
  box, batch = prepared(tiny_config, crystals.perovskite(), crystals.bcc())
  assert 'energy' not in batch and batch['lattice'].shape == (2, 6)
  made = jax.jit(box.examples)(jax.random.key(0), batch)
  np.testing.assert_array_equal(made.targets['lattice'], batch['lattice'])
  assert {name: value.shape[1:] for name, value in made.inputs.items()} == (
    box.input_shapes
  )


def test_crystals_that_do_not_fit_have_a_reason(tiny_config):
  tiny_config.model.box.filling = 'single_cell'
  box = make_model(tiny_config.model).representation
  structures = arrays_of(crystals.bcc(), crystals.layered())
  kept, dropped = box.prepare(structures)
  assert kept['id'].tolist() == ['c0']
  assert dropped[0][0] == 'c1' and 'Å' in dropped[0][1]


def test_too_few_image_slots_are_not_valid(tiny_config):
  tiny_config.model.box.max_images = 16
  box, batch = prepared(tiny_config, crystals.bcc(), crystals.bcc())
  batch['mask'] = np.array([True, False])
  made = jax.jit(box.examples)(jax.random.key(0), batch)
  assert not made.valid.any()
  assert jnp.isfinite(made.inputs['density']).all()


def test_examples_before_sized_are_an_error(tiny_config):
  box = make_model(tiny_config.model).representation
  with pytest.raises(ValueError, match='sized'):
    box.examples(None, batch_of(arrays_of(crystals.bcc())))


@pytest.mark.slow
def test_true_densities_are_their_crystals(tiny_config):
  # The decoder's shape is that of tests/evaluation, which compiles it too.
  tiny_config.model.box.length, tiny_config.model.box.size = 8.0, 24
  tiny_config.model.box.max_decoded = 128
  crystal = crystals.perovskite()
  box, batch = prepared(tiny_config, crystal, crystals.layered())
  made = jax.jit(box.examples)(jax.random.key(3), batch)
  found, none = box.crystals({'density': made.inputs['density']})
  assert isinstance(found, cj.Crystal)
  assert sorted(found.numbers) == sorted(crystal.numbers)
  volumes = [abs(np.linalg.det(c.cell)) for c in (found, crystal)]
  np.testing.assert_allclose(*volumes, rtol=1e-3)
  assert isinstance(none, str) and 'lattice' in none  # 18 Å long.


def test_a_box_of_a_single_cell_has_no_lattice(tiny_config):
  tiny_config.model.box.filling = 'single_cell'
  box = make_model(tiny_config.model).representation
  assert 'lattice' in box.crystal(None)
