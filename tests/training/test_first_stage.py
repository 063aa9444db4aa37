"""A second stage on a frozen codec: one file, one entry, and its config."""

import dataclasses

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax import data, tasks
from crystal_jax.models.standardization import Standardization
from crystal_jax.training import checkpoints, first_stage, logs
from tests import codecs, tiny_configs
from tests.training import linear_stage


@pytest.fixture(scope='module')
def frozen(data_dir, tmp_path_factory):
  """A config of the linear second stage, on an untrained codec."""
  folder = tmp_path_factory.mktemp('codec') / 'tiny'
  codecs.untrained().save(folder)
  config = tiny_configs.tiny_config(data_dir)
  config.model.representation = 'linear'
  config.train.learning_rate = 0.01
  config.train.ema_decay = 0.9
  config.train.batch_size = 16
  config.train.steps = 40
  config.train.eval_every = config.train.checkpoint_every = 20
  first_stage.freeze(config, folder, tmp_path_factory.mktemp('latents'))
  return config


@pytest.fixture(autouse=True)
def entry(monkeypatch):
  monkeypatch.setitem(tasks.TASKS, 'linear', linear_stage.TASK)


@pytest.mark.slow
def test_a_second_stage_trains_and_is_evaluated(frozen, tmp_path):
  run, state = tasks.train(frozen, tmp_path)
  rows = logs.read_metrics(tmp_path / logs.METRICS_FILE)
  losses = {row['split']: row['loss'] for row in rows}  # The last of each.
  assert losses['heldout'] < 0.85 * rows[0]['loss']
  # The codec's parameters are not in the state, and the statistics are.
  assert set(state.params) == {'map', 'statistics'}
  with checkpoints.open_checkpoints(tmp_path) as manager:
    restored, _ = checkpoints.restore(manager, run.fresh_state(), frozen)
  train = run.arrays['train']
  samples = train['latent'].std(0) ** 2
  samples += np.square(train['latent_deviation']).mean(0)
  np.testing.assert_allclose(
    restored.params['statistics']['deviation'], np.sqrt(samples), rtol=1e-3
  )
  results = tasks.evaluate(run, state, tmp_path)
  assert results == {'heldout': {'crystals': 4.0}}
  assert (tmp_path / 'report.html').is_file()


def test_latents_are_the_codecs_and_are_encoded_once(frozen, monkeypatch):
  run = tasks.set_up(frozen)
  stage = run.model.representation.stage
  codec = cj.Codec.load(stage.weights)
  arrays = run.arrays['heldout']
  structures = [
    cj.Crystal(numbers[numbers > 0], fractional[numbers > 0] @ cell, cell)
    for numbers, fractional, cell in zip(
      arrays['numbers'][:3],
      arrays['fractional'][:3],
      arrays['cell'][:3],
      strict=True,
    )
  ]
  mean, deviation = codec.encode(structures, std=True)
  np.testing.assert_allclose(arrays['latent'][:3], mean, atol=1e-4)
  np.testing.assert_allclose(
    arrays['latent_deviation'][:3], deviation, atol=1e-4
  )
  monkeypatch.setattr(first_stage, '_encode', None)  # Calling it would raise.
  again = tasks.set_up(frozen)
  np.testing.assert_array_equal(
    again.arrays['heldout']['latent'], arrays['latent']
  )


def test_decoding_is_differentiable(frozen):
  stage = first_stage.FirstStage.of(frozen.model.first_stage)
  z = np.zeros((2, stage.model.latent_size), np.float32)

  @jax.jit
  @jax.grad
  def gradient(z):
    return stage.model.decode_arrays(stage.params, z)['occupancy'].sum()

  assert np.abs(gradient(z)).max() > 0


def test_other_weights_are_refused(frozen, tmp_path):
  config = frozen.copy_and_resolve_references()
  config.model.first_stage.fingerprint = 'of other weights'
  config.model.first_stage.cache = str(tmp_path)
  with pytest.raises(ValueError, match='made for the weights of other weights'):
    tasks.set_up(config)


def test_an_unknown_task_is_named(frozen):
  config = frozen.copy_and_resolve_references()
  config.model.representation = 'sphere'
  with pytest.raises(ValueError, match="'sphere'"):
    tasks.set_up(config)


def test_standardization_leaves_out_what_is_missing():
  values = np.array([[1.0, np.nan, 5.0], [3.0, 7.0, 5.0]], np.float32)
  found = Standardization.fit(values)
  np.testing.assert_array_equal(found.mean, [2, 7, 5])
  np.testing.assert_array_equal(found.deviation, [1, 1, 1])
  z = found.apply(values)
  np.testing.assert_array_equal(z[:, 0], [-1, 1])
  np.testing.assert_allclose(found.invert(z), values, equal_nan=True)


def test_batches_need_neither_atoms_nor_cells():
  arrays = {'latent': np.arange(6.0).reshape(3, 2), 'id': np.array([*'abc'])}
  batches = data.batches(arrays, batch_size=2, seed=None, num_epochs=1)
  first, last = batches
  np.testing.assert_array_equal(first['latent'][0], [[0, 1], [2, 3]])
  np.testing.assert_array_equal(last['mask'], [[True, False]])


def test_columns_of_a_task_reach_its_batches(frozen, monkeypatch):
  task = dataclasses.replace(
    linear_stage.TASK, columns=lambda config: ('band_gap',)
  )
  monkeypatch.setitem(tasks.TASKS, 'linear', task)
  run = tasks.set_up(frozen)
  gaps = next(run.heldout_batches())['band_gap'].ravel()
  np.testing.assert_array_equal(gaps, run.arrays['heldout']['band_gap'][:16])
  assert np.isfinite(gaps).any()
  task = dataclasses.replace(task, columns=lambda config: ('no_such',))
  monkeypatch.setitem(tasks.TASKS, 'linear', task)
  with pytest.raises(ValueError, match='no_such'):
    tasks.set_up(frozen)
