"""The loss of a coded box: what each term is zero for, and on two devices."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from crystal_jax.models import TokenVAE
from crystal_jax.structure import elements
from crystal_jax.training import run as run_lib
from crystal_jax.training.coded_box_loss import CodedBoxLoss
from tests.training.test_steps import assert_alike, two_steps


@pytest.fixture
def run(tiny_coded_config):
  return run_lib.set_up(tiny_coded_config)


@dataclasses.dataclass(frozen=True)
class Oracle:
  """Networks that say what is true, from a latent that says nothing."""

  vae: TokenVAE
  targets: dict

  def encode(self, params, inputs):
    zeros = jnp.zeros((len(inputs['density']), 7))
    return zeros, zeros

  def decode(self, params, z, *, voxels):
    # Any atom may be asked for: the true one is the nearest to its voxel.
    targets = self.targets
    apart = targets['places'][:, None] - voxels[:, :, None]
    far = jnp.where(targets['numbers'] > 0, 0.0, 1e6)[:, None]
    nearest = (jnp.square(apart).sum(-1) + far).argmin(-1)
    numbers = jnp.take_along_axis(targets['numbers'], nearest, axis=1)
    codes = jnp.asarray(elements.element_codes())
    offsets = jnp.take_along_axis(apart, nearest[..., None, None], axis=2)
    return {
      'occupancy': targets['occupancy'],
      'codes': codes[numbers],
      'offsets': offsets[:, :, 0],
      'lattice': targets['lattice'],
    }


@pytest.mark.parametrize(
  'training', [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_the_truth_costs_nothing(run, training):
  batch = next(run.batches('heldout'))
  batch = {name: x.reshape(-1, *x.shape[2:]) for name, x in batch.items()}
  targets = jax.jit(run.model.representation.examples)(None, batch).targets
  run.config.train.coded_box_loss.atoms = 5
  loss = run_lib.make_loss(run.model, run.config.train, training=training)
  assert isinstance(loss, CodedBoxLoss)
  oracle = Oracle(run.model.networks.vae, targets)
  model = dataclasses.replace(run.model, networks=oracle)
  loss = dataclasses.replace(loss, model=model)
  cost = jax.jit(lambda batch, step: loss({}, jax.random.key(0), batch, step))
  terms, sums = cost(batch, jnp.int32(0))
  for name in ('occupancy', 'offset', 'lattice', 'kl'):
    assert terms[name][0] == pytest.approx(0, abs=1e-5), name
  assert 0 <= terms['species'][0] / terms['species'][1] < 0.05
  asked = (targets['numbers'] > 0).sum(axis=1)
  asked = jnp.minimum(asked, 5) if training else asked
  for name in ('species_accuracy', 'formula_right'):
    assert sums[name][0] == sums[name][1] > 0, name
  assert sums['species_accuracy'][1] == asked.sum()


@pytest.mark.slow
def test_two_devices_equal_one(run):
  one, two = two_steps(run, 1), two_steps(run, 2)
  assert_alike(one, two)
