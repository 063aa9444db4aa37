"""The laws of a training step, on a tiny network and real crystals."""

import jax
import numpy as np
import pytest

from crystal_jax.training import parallel
from crystal_jax.training import run as run_lib
from crystal_jax.training.box_loss import LossWeights


def _batch(run, devices):
  """The first global batch, spread over some devices."""
  batch = next(run.batches('train'))
  flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in batch.items()}
  return {k: v.reshape(devices, -1, *v.shape[1:]) for k, v in flat.items()}


def assert_alike(one, two):
  """But where Adam makes much of a gradient of all but zero."""
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-4),
    one,
    two,
  )


def two_steps(run, devices, traces=None):
  """On one device, or as the loop takes them on both; notes each trace."""
  state, train_step = run.fresh_state(), run.train_step

  def counted(state, batch):
    if traces is not None:
      traces.append(devices)
    return train_step(state, batch)

  if devices == 1:
    step = jax.pmap(
      counted,
      axis_name=parallel.AXIS,
      in_axes=(None, 0),
      out_axes=(None, None),
      devices=jax.devices()[:1],
    )
  else:
    step = parallel.parallel_train_step(counted)
    state = parallel.replicate(state)
  for _ in range(2):
    state, sums = step(state, _batch(run, devices))
  assert int(state.step) == 2
  return jax.device_get((state.params, state.ema, sums))


@pytest.mark.slow
def test_two_devices_equal_one_and_are_traced_once(tiny_config):
  run, traces = run_lib.set_up(tiny_config), []
  one, two = two_steps(run, 1), two_steps(run, 2, traces)
  assert traces == [2]
  assert_alike(one, two)
  loss = two[2]['loss_reconstruction']
  assert loss[0] / loss[1] > 0


@pytest.mark.parametrize(
  ('networks', 'channels', 'species'),
  [
    pytest.param('vae', 'elements', 'cross_entropy', marks=pytest.mark.slow),
    pytest.param('unet', 'number', 'bce', marks=pytest.mark.slow),
    ('both', 'number', 'cross_entropy'),
  ],
)
def test_every_combination_learns(tiny_config, networks, channels, species):
  """Many steps on one batch bring the loss down."""
  tiny_config.model.networks = networks
  tiny_config.model.box.channels = channels
  tiny_config.model.lattice_head.enabled = networks != 'unet'
  tiny_config.train.learning_rate = 3e-3
  tiny_config.train.box_loss.species = species
  run = run_lib.set_up(tiny_config)
  step = parallel.parallel_train_step(run.train_step)
  state, batch = parallel.replicate(run.fresh_state()), _batch(run, 2)
  losses = []
  for _ in range(12):
    state, sums = step(state, batch)
    sums = jax.device_get(sums)
    losses.append(
      sum(t / c for k, (t, c) in sums.items() if k.startswith('loss_'))
    )
  assert np.isfinite(losses).all()
  assert losses[-1] < 0.95 * losses[0]
  expected = {'vae': {'vae'}, 'unet': {'unet'}, 'both': {'vae', 'unet'}}
  if tiny_config.model.lattice_head.enabled:
    expected[networks].add('lattice_head')
  assert set(state.params) == expected[networks]


def test_what_does_not_fit_max_images_is_counted_and_left_out(tiny_config):
  tiny_config.model.box.max_images = 80
  run = run_lib.set_up(tiny_config)
  state = run.fresh_state()
  variables = {'params': state.ema, 'key': state.key, 'step': state.step}
  step = parallel.parallel_eval_step(run.loss_step)
  sums = jax.device_get(step(variables, _batch(run, 2)))
  sums = {name: (s[0], c[0]) for name, (s, c) in sums.items()}
  overflowed, size = sums['overflowed'][0], tiny_config.train.batch_size
  assert 0 < overflowed < size
  assert sums['reconstruction_mse'][1] == size - overflowed
  assert sums['loss_reconstruction'][1] == size - overflowed
  assert all(np.isfinite(total) for total, _ in sums.values())


def test_an_unknown_species_loss_is_named():
  with pytest.raises(ValueError, match="'dice'"):
    LossWeights(
      beta=1.0,
      beta_warmup=1,
      free_bits=0.0,
      gamma=1.0,
      species='dice',
      balance=0.5,
      lattice=1.0,
      species_voxels=0,
    )


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('model.networks', 'gan'),
    ('model.representation', 'sphere'),
    ('model.box.channels', 'colours'),
    ('model.box.filling', 'sand'),
  ],
)
def test_a_wrong_choice_is_named(tiny_config, field, value):
  tiny_config.update_from_flattened_dict({field: value})
  with pytest.raises(ValueError, match=value):
    run_lib.set_up(tiny_config)
