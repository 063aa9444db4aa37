"""The laws of a training step, on a tiny network and real crystals."""

import functools

import jax
import numpy as np
import optax
import pytest

from crystal_jax import tasks
from crystal_jax.training import parallel
from crystal_jax.training.box_loss import LossWeights

# Mean gradients below this may be rounding.
ROUNDING = 1e-7


def _batch(run, devices):
  """The first global batch, spread over some devices."""
  batch = next(run.train_batches())
  flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in batch.items()}
  return {k: v.reshape(devices, -1, *v.shape[1:]) for k, v in flat.items()}


def assert_alike(one, two):
  """Compares parameters, averages, sums and gradients of two `two_steps`.

  Adam takes a whole step along a gradient that is only rounding: parameters
  with such gradients, and no others, may differ.
  """
  gradients = one[3], two[3]
  close = functools.partial(np.testing.assert_allclose, rtol=2e-3)
  jax.tree.map(lambda a, b: close(a, b, atol=ROUNDING), *gradients)

  def assert_close(a, b, g):
    rounding = (g != 0) & (np.abs(g) < ROUNDING)
    close(np.where(rounding, 0, a), np.where(rounding, 0, b), atol=2e-5)

  for which in 0, 1:
    jax.tree.map(assert_close, one[which], two[which], gradients[0])
  jax.tree.map(lambda a, b: close(a, b, atol=2e-5), one[2], two[2])


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
  gradients = optax.tree_utils.tree_get(state.opt_state, 'mu')
  return jax.device_get((state.params, state.ema, sums, gradients))


@pytest.mark.slow
def test_two_devices_equal_one_and_are_traced_once(tiny_config):
  run, traces = tasks.set_up(tiny_config), []
  one, two = two_steps(run, 1), two_steps(run, 2, traces)
  assert traces == [2]
  assert_alike(one, two)
  loss = two[2]['loss_reconstruction']
  assert loss[0] / loss[1] > 0


@pytest.mark.parametrize(
  ('networks', 'channels', 'species'),
  [
    pytest.param('vae', 'elements', 'cross_entropy', marks=pytest.mark.slow),
    ('unet', 'number', 'bce'),
    pytest.param('both', 'number', 'cross_entropy', marks=pytest.mark.slow),
  ],
)
def test_every_combination_learns(tiny_config, networks, channels, species):
  """Many steps on one batch bring the loss down."""
  tiny_config.model.networks = networks
  tiny_config.model.box.channels = channels
  tiny_config.model.lattice_head.enabled = networks != 'unet'
  tiny_config.train.learning_rate = 3e-3
  tiny_config.train.box_loss.species = species
  run = tasks.set_up(tiny_config)
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


def test_crystals_beyond_max_images_are_counted_and_masked(tiny_config):
  tiny_config.model.box.max_images = 80
  run = tasks.set_up(tiny_config)
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
    tasks.set_up(tiny_config)
