"""Training that starts from the weights of another."""

import jax
import numpy as np
import pytest

from crystal_jax.codec import weights_file
from crystal_jax.codec.model import make_model
from crystal_jax.training.start import start_from
from crystal_jax.training.state import create_state, make_optimizer


def fresh(config, seed):
  networks = make_model(config.model).networks
  return create_state(networks.init, make_optimizer(config.train), seed)


def test_trained_weights_are_copied_and_new_ones_stay(
  tiny_cell_config, tmp_path
):
  tiny_cell_config.model.cell_vae.learn_codes = False
  trained = fresh(tiny_cell_config, 1).params
  card = {'config': {}, 'elements': None}
  weights_file.write(tmp_path / 'w', trained, card, dtype='float32')
  tiny_cell_config.model.cell_vae.learn_codes = True
  state = start_from(fresh(tiny_cell_config, 2), tmp_path / 'w')
  params = jax.device_get(state.params)
  offsets = params['vae']['params'].pop('code_offsets')
  np.testing.assert_array_equal(offsets, 0)
  jax.tree.map(np.testing.assert_array_equal, params, jax.device_get(trained))
  jax.tree.map(np.testing.assert_array_equal, state.ema, state.params)
  assert int(state.step) == 0


def test_a_model_of_another_shape_is_an_error(tiny_cell_config, tmp_path):
  card = {'config': {}, 'elements': None}
  weights_file.write(tmp_path / 'w', fresh(tiny_cell_config, 1).params, card)
  tiny_cell_config.model.cell_vae.width = 24
  with pytest.raises(ValueError, match=r'holds .* the models differ'):
    start_from(fresh(tiny_cell_config, 2), tmp_path / 'w')


def test_nothing_trained_is_an_error(tiny_cell_config, tmp_path):
  with pytest.raises(FileNotFoundError):
    start_from(fresh(tiny_cell_config, 1), tmp_path)


@pytest.mark.slow
def test_blocks_that_are_new_add_nothing_at_first(tiny_cell_config, tmp_path):
  config = tiny_cell_config
  config.model.cell_vae.width = 48  # A multiple of the heads of attention.
  config.model.cell_vae.encoder, config.model.cell_vae.decoder = 'p', 'pa'
  old = make_model(config.model).networks
  trained = fresh(config, 1).params
  # Norms that can be told apart.
  trunk = trained['vae']['params']['encode_trunk']
  for i in range(3):
    trunk[f'RMSNorm_{i}']['scale'] = trunk[f'RMSNorm_{i}']['scale'] + 0.2 * i
  card = {'config': {}, 'elements': None}
  weights_file.write(tmp_path / 'w', trained, card, dtype='float32')
  config.model.cell_vae.encoder, config.model.cell_vae.decoder = 'pap', 'pap'
  new = make_model(config.model).networks
  params = start_from(fresh(config, 2), tmp_path / 'w').params
  size = config.model.cell.size
  inputs = {
    'density': jax.random.normal(jax.random.key(0), (2, *[size] * 3, 12)),
    'lattice': jax.numpy.zeros((2, 6)),
  }
  found, true = new.predict(params, inputs), old.predict(trained, inputs)
  for name in true:
    np.testing.assert_allclose(found[name], true[name], atol=1e-5)
  block = params['vae']['params']['encode_trunk']['Attention_0']
  assert np.any(block['Dense_0']['kernel'])


def test_another_grid_keeps_tokens_and_what_they_do_to_their_neighbours(
  tiny_cell_config, tmp_path
):
  config = tiny_cell_config
  trained = jax.device_get(fresh(config, 1).params)
  vae = trained['vae']['params']
  # Half of each token, a quarter of the next one along x, one of the last.
  shift = np.roll(np.eye(4), 1, axis=1)
  line = 0.5 * np.eye(4) + 0.25 * (shift + shift.T)
  kernel = np.kron(np.kron(line, np.eye(4)), np.eye(4))
  mix = vae['encode_trunk']['PlaceMix_0']
  mix['kernel'] = np.float32(np.tile(kernel, (len(mix['kernel']), 1, 1)))
  card = {'config': {}, 'elements': None}
  weights_file.write(tmp_path / 'w', trained, card, dtype='float32')
  config.model.cell.size = 24
  found = jax.device_get(start_from(fresh(config, 2), tmp_path / 'w').params)
  found = found['vae']['params']
  field = np.random.default_rng(0).normal(size=(6, 6, 6))
  expected = 0.5 * field + 0.25 * sum(np.roll(field, s, 0) for s in (1, -1))
  mixed = found['encode_trunk']['PlaceMix_0']['kernel'][0] @ field.reshape(-1)
  np.testing.assert_allclose(mixed.reshape(6, 6, 6), expected, atol=1e-6)
  # Half way along an axis lies token 2 of 4, and token 3 of 6.
  before = vae['encode_places'].reshape(4, 4, 4, -1)
  after = found['encode_places'].reshape(6, 6, 6, -1)
  np.testing.assert_allclose(after[3, 0, 3], before[2, 0, 2], atol=1e-6)
  between = (before[0, 0, 2] + 2 * before[1, 0, 2]) / 3
  np.testing.assert_allclose(after[1, 0, 3], between, atol=1e-6)
  same = vae['encode_in'], found['encode_in']
  jax.tree.map(np.testing.assert_array_equal, *same)
