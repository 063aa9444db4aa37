"""The compositions of a prior trained alone."""

import json

import jax
import numpy as np
import pytest

from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation import fit_compositions, prior_file
from crystal_jax.generation.fit_compositions import CompositionTraining
from tests.generation import priors

# Alkali halides, of which NaBr is held out.
PAIRS = [(a, b) for a in (3, 11, 19) for b in (9, 17, 35)]


def conditions(pairs):
  counts = np.zeros((len(pairs), 94), np.float32)
  for row, pair in zip(counts, pairs, strict=True):
    row[np.array(pair) - 1] = 1
  return conditions_lib.from_counts(counts, 1)


@pytest.mark.slow
def test_loss_of_heldout_formulas_falls_and_the_velocity_stays():
  prior = priors.untrained(max_atoms=4)
  known = conditions([p for p in PAIRS if p != (11, 35)])
  heldout = conditions([(11, 35)])
  config = CompositionTraining(
    steps=60, batch_size=64, learning_rate=3e-3, evaluate_every=20
  )
  params, nats = fit_compositions.fit(
    prior.networks, prior.params, known, heldout, config
  )
  _, before = fit_compositions.fit(
    prior.networks,
    prior.params,
    known,
    heldout,
    CompositionTraining(steps=1, batch_size=64, learning_rate=1e-9),
  )
  assert nats < before - 4  # Nine formulas instead of thousands.
  jax.tree.map(
    np.testing.assert_array_equal, params['flow'], prior.params['flow']
  )


@pytest.mark.slow
def test_the_command_replaces_the_compositions(tmp_path, monkeypatch):
  prior = priors.untrained(max_atoms=4, properties=('energy',))
  prior_file.write(tmp_path, prior.networks, prior.params, {'codec': 'f'})
  numbers = np.array([11, 17, 19, 17, 3, 9, 3, 3, 3, 3, 8], np.uint8)
  columns = {
    'numbers': numbers,
    'frac': np.linspace(0, 0.9, 33).reshape(11, 3).astype(np.float32),
    'cell': np.tile(4 * np.eye(3, dtype=np.float32), (4, 1, 1)),
    'offsets': np.array([0, 2, 4, 6, 11]),  # The last has too many atoms.
    'ids': np.array(['a', 'b', 'c', 'd']),
    'spacegroup_number': np.array([225, 225, 225, np.nan], np.float32),
  }
  path = tmp_path / 'salts_train.npz'
  np.savez(path, **columns)
  read = fit_compositions.read_conditions(prior.networks, prior.params, [path])
  assert read.counts.shape == (3, 94) and (read.system == 7).all()
  assert np.isnan(read.properties).all() and np.isnan(read.experimental).all()
  monkeypatch.setattr(
    'sys.argv',
    ['fit', str(tmp_path), f'--train={path}', f'--heldout={path}', '--steps=3'],
  )
  fit_compositions.main()
  networks, params, card = prior_file.read(tmp_path, 'f')
  assert networks == prior.networks
  assert card['compositions']['steps'] == 3
  json.dumps(card)
  same = jax.tree.map(
    lambda a, b: np.allclose(a, b, atol=1e-6),
    params['composition'],
    jax.device_get(prior.params['composition']),
  )
  assert not all(jax.tree.leaves(same))
