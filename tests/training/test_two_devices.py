"""Training on two devices equals training on one, whatever the task."""

import jax
import numpy as np
import pytest

from crystal_jax import tasks
from tests import tiny_configs
from tests.training.two_devices import assert_equal, train_two_steps


@pytest.mark.slow
@pytest.mark.parametrize('name', ['box', 'cell', 'coded_box'])
def test_two_devices_equal_one_and_are_traced_once(data_dir, name):
  run, traces = tasks.set_up(tiny_configs.tiny_config(data_dir, name)), []
  fresh = run.fresh_state().params
  one, two = train_two_steps(run, 1), train_two_steps(run, 2, traces)
  assert traces == [2]
  assert_equal(one, two)
  loss = next(pair for term, pair in two.sums.items() if 'loss_' in term)
  assert loss[0] / loss[1] > 0
  if name == 'cell':
    # The whitening is fitted on the training set and stays.
    lattices = run.arrays['train']['lattice']
    np.testing.assert_allclose(
      fresh['lattice']['mean'], lattices.mean(0), rtol=1e-5
    )
    trained = two.params['lattice']
    jax.tree.map(np.testing.assert_array_equal, fresh['lattice'], trained)
