"""The laws of a training step, on a tiny network and real crystals."""

import jax
import numpy as np
import pytest

from crystal_jax import tasks
from crystal_jax.training import parallel
from crystal_jax.training.box_loss import LossWeights
from tests.training.two_devices import first_batch


@pytest.mark.slow
@pytest.mark.parametrize(
  ('networks', 'channels', 'species'),
  [
    ('vae', 'elements', 'cross_entropy'),
    ('unet', 'number', 'bce'),
    ('both', 'number', 'cross_entropy'),
  ],
)
def test_every_combination_of_fields_trains(
  tiny_config, networks, channels, species
):
  """Many steps on one batch bring the loss down."""
  tiny_config.model.networks = networks
  tiny_config.model.box.channels = channels
  tiny_config.model.lattice_head.enabled = networks != 'unet'
  tiny_config.train.learning_rate = 3e-3
  tiny_config.train.box_loss.species = species
  run = tasks.set_up(tiny_config)
  step = parallel.parallel_train_step(run.train_step)
  state, batch = parallel.replicate(run.fresh_state()), first_batch(run, 2)
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


@pytest.mark.slow
def test_crystals_beyond_max_images_are_counted_and_masked(tiny_config):
  tiny_config.model.box.max_images = 80
  run = tasks.set_up(tiny_config)
  state = run.fresh_state()
  variables = {'params': state.ema, 'key': state.key, 'step': state.step}
  step = parallel.parallel_eval_step(run.eval_step)
  sums = jax.device_get(step(variables, first_batch(run, 2)))
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
      species_sample_voxels=0,
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
