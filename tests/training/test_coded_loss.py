"""The coded loss: what each term is zero for, cell and box alike."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from crystal_jax import tasks
from crystal_jax.models import TokenVAE
from crystal_jax.models.coded_lattice import LatticePart
from crystal_jax.models.property_heads import PropertyHeads
from crystal_jax.structure import elements
from crystal_jax.training.coded_loss import CodedLoss
from tests import tiny_configs

# Atoms of a box that are read in a step.
ATOMS = 5


@pytest.fixture(scope='module')
def runs(data_dir):
  """A run of each coded task."""
  configs = {
    name: tiny_configs.tiny_config(data_dir, name)
    for name in ('cell', 'coded_box')
  }
  configs['coded_box'].train.coded_box_loss.atoms = ATOMS
  return {name: tasks.set_up(config) for name, config in configs.items()}


@dataclasses.dataclass(frozen=True)
class Oracle:
  """Networks whose outputs are the targets, and whose latent is the prior."""

  vae: TokenVAE
  lattice: LatticePart
  periodic: bool
  targets: dict
  heads: PropertyHeads = PropertyHeads(())

  def encode(self, params, inputs):
    zeros = jnp.zeros((len(inputs['density']), 7))
    return zeros, zeros

  def decode(self, params, z, *, voxels):
    # Any atom may be read: the true one is the nearest to its voxel.
    targets, size = self.targets, self.vae.size
    offsets = targets['voxel_positions'][:, None] - voxels[:, :, None]
    if self.periodic:
      offsets -= size * jnp.round(offsets / size)
    far = jnp.where(targets['numbers'] > 0, 0.0, 1e6)[:, None]
    nearest = (jnp.square(offsets).sum(-1) + far).argmin(-1)
    numbers = jnp.take_along_axis(targets['numbers'], nearest, axis=1)
    offsets = jnp.take_along_axis(offsets, nearest[..., None, None], axis=2)
    return {
      'occupancy': targets['occupancy'],
      'codes': jnp.asarray(elements.element_codes())[numbers],
      'offsets': offsets[:, :, 0],
      'lattice': targets['lattice'],
    }


@pytest.mark.parametrize(
  'name', ['cell', pytest.param('coded_box', marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
  'training', [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_perfect_outputs_cost_nothing(runs, name, training):
  run = runs[name]
  batch = next(run.heldout_batches())
  batch = {name: x.reshape(-1, *x.shape[2:]) for name, x in batch.items()}
  representation = run.model.representation
  targets = jax.jit(representation.examples)(None, batch).targets
  loss = run.make_loss(training=training)
  assert isinstance(loss, CodedLoss)
  networks = run.model.networks
  oracle = Oracle(
    networks.vae, networks.lattice, representation.periodic, targets
  )
  model = dataclasses.replace(run.model, networks=oracle)
  loss = dataclasses.replace(loss, model=model)
  cost = jax.jit(lambda batch, step: loss({}, jax.random.key(0), batch, step))
  terms, sums = cost(batch, jnp.int32(0))
  assert ('lattice' in terms) == (name == 'coded_box')
  for term in {*terms} - {'species'}:
    assert terms[term][0] == pytest.approx(0, abs=1e-5), term
  # The codes of similar elements are near each other, not equal.
  assert 0 <= terms['species'][0] / terms['species'][1] < 0.05
  for metric in ('species_accuracy', 'formula_right'):
    assert sums[metric][0] == sums[metric][1] > 0, metric
  atoms = (targets['numbers'] > 0).sum(axis=1)
  if training and name == 'coded_box':
    atoms = jnp.minimum(atoms, ATOMS)
  assert sums['species_accuracy'][1] == atoms.sum()
