"""The task 'prior', whole: trained, scored, exported, and sampled from."""

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax import tasks
from crystal_jax.generation import export, prior_file
from crystal_jax.training import first_stage, logs
from tests import codecs, tiny_configs

pytestmark = pytest.mark.slow  # Compilation of all that a run needs.


@pytest.fixture(scope='module')
def trained(data_dir, tmp_path_factory):
  """The folder of an untrained codec, and the run of a prior on it."""
  folder = tmp_path_factory.mktemp('codec') / 'tiny'
  codecs.untrained().save(folder)
  config = tiny_configs.tiny_config(data_dir)
  config.model.representation = 'prior'
  first_stage.freeze(config, folder)
  config.model.prior.update(
    width=32, blocks=1, condition_width=16, composition_width=16
  )
  config.model.prior.columns = ('spacegroup_number',)
  config.model.prior.properties = ('band_gap',)
  config.train.update(
    learning_rate=0.01, ema_decay=0.9, batch_size=16, steps=80
  )
  config.train.eval_every = config.train.checkpoint_every = 40
  workdir = tmp_path_factory.mktemp('prior')
  run, state = tasks.train(config, workdir)
  return folder, workdir, run, state


def test_the_losses_of_flow_and_composition_fall(trained):
  _, workdir, _, _ = trained
  rows = logs.read_metrics(workdir / logs.METRICS_FILE)
  assert {row['split'] for row in rows} == {'train', 'heldout'}
  assert all(np.isfinite(row['loss']) for row in rows)
  # Of training: 64 crystals are too few for the held-out ones to gain.
  train = [row for row in rows if row['split'] == 'train']
  for name, share in (('nats', 0.8), ('tokens', 0.9)):
    after = np.mean([row[name] for row in train[-5:]])
    assert after < share * train[0][name]


def test_scores_are_shares_of_all_crystals(trained):
  _, workdir, run, state = trained
  results = tasks.evaluate(run, state, workdir)
  found = results['heldout']
  assert found['crystals'] == 4
  for name in 'match', 'formula', 'valid':
    assert 0 <= found[name] <= 1 and (4 * found[name]).is_integer()
  # Exactly the atoms asked for, or no crystal.
  assert found['formula'] >= found['match']


def test_the_run_and_its_export_are_one_prior(trained):
  folder, workdir, _, state = trained
  codec = cj.Codec.load(folder)
  codec.load_prior(workdir)
  export.export(workdir, folder, notes={'note': 'tiny'})
  networks, params, card = prior_file.read(folder)
  assert card['note'] == 'tiny' and card['examples'] == 80 * 16
  assert networks.properties == ('band_gap',)
  kept = params['statistics']['latent']['mean']
  np.testing.assert_allclose(
    kept, state.ema['statistics']['latent']['mean'], rtol=1e-2, atol=1e-3
  )
  again = cj.Codec.load(folder)
  asked = {'composition': 'NaCl', 'num_atoms': 4, 'seed': 3}
  again.sample(2, **asked)
  assert again.failures.keys() <= {0, 1}


def test_a_prior_of_another_codec_is_refused(trained):
  _, workdir, _, _ = trained
  other = codecs.untrained(elements=['Na', 'Cl'], properties=('band_gap',))
  with pytest.raises(ValueError, match='not for this one'):
    other.load_prior(workdir)


def test_training_starts_from_an_exported_prior(trained, tmp_path):
  folder, workdir, run, state = trained
  export.export(workdir, folder)
  config = run.config.copy_and_resolve_references()
  config.train.update(start_from=str(folder), steps=1)
  config.train.update(warmup_steps=0, learning_rate=0.0)
  _, started = tasks.train(config, tmp_path / 'further')
  for found, expected in zip(
    jax.tree.leaves(started.ema), jax.tree.leaves(state.ema), strict=True
  ):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
