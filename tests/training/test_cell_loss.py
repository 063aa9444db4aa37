"""The loss of a cell model: what each term is zero for, and on two devices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.models import TokenVAE
from crystal_jax.structure import elements
from crystal_jax.training import run as run_lib
from crystal_jax.training.cell_loss import CellLoss
from tests.conftest import make_tiny_cell_config
from tests.training.test_steps import assert_alike, two_steps


@pytest.fixture(scope='module')
def run(data_dir):
  return run_lib.set_up(make_tiny_cell_config(data_dir))


@pytest.fixture(scope='module')
def on_two_devices(run):
  return two_steps(run, 2)


@dataclasses.dataclass(frozen=True)
class Oracle:
  """Networks that say what is true, from a latent that says nothing."""

  vae: TokenVAE
  targets: dict

  latent_shape = (7,)

  def encode(self, params, inputs):
    zeros = jnp.zeros((len(inputs['lattice']), 7))
    return zeros, zeros

  def decode(self, params, z, *, voxels):
    targets, size = self.targets, self.vae.size
    apart = targets['fractional'] * size - voxels
    return {
      'occupancy': targets['occupancy'],
      'codes': jnp.asarray(elements.element_codes())[targets['numbers']],
      'offsets': apart - size * jnp.round(apart / size),
    }


@pytest.mark.parametrize(
  'training', [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_the_truth_costs_nothing(run, training):
  batch = next(run.batches('heldout'))
  batch = {name: x.reshape(-1, *x.shape[2:]) for name, x in batch.items()}
  targets = jax.jit(run.model.representation.examples)(None, batch).targets
  loss = run_lib.make_loss(run.model, run.config.train, training=training)
  oracle = Oracle(run.model.networks.vae, targets)
  model = dataclasses.replace(run.model, networks=oracle)
  loss = dataclasses.replace(loss, model=model)
  assert isinstance(loss, CellLoss)
  cost = jax.jit(lambda batch, step: loss({}, jax.random.key(0), batch, step))
  terms, sums = cost(batch, jnp.int32(0))
  for name in ('occupancy', 'offset', 'kl'):
    assert terms[name][0] == pytest.approx(0, abs=1e-6), name
  # What nearest codes leave to their neighbours.
  assert 0 <= terms['species'][0] / terms['species'][1] < 0.05
  for name in ('species_accuracy', 'formula_right'):
    assert sums[name][0] == sums[name][1] > 0, name


def test_two_devices_equal_one(run, on_two_devices):
  assert_alike(two_steps(run, 1), on_two_devices)


def test_the_whitening_is_the_training_sets_and_stays(run, on_two_devices):
  lattices = run.arrays['train']['lattice']
  fresh = run.fresh_state().params['lattice']
  np.testing.assert_allclose(fresh['mean'], lattices.mean(0), rtol=1e-5)
  trained = on_two_devices[0]['lattice']
  jax.tree.map(np.testing.assert_array_equal, fresh, trained)
