"""Crystals in fractional coordinates: encoded, decoded, and refused ones."""

import json

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

import crystal_jax as cj
from crystal_jax.codec import config as config_lib
from crystal_jax.codec.model import make_model
from crystal_jax.representation.cell import Cell
from crystal_jax.representation.peak_config import PeakConfig, PeakPass
from crystal_jax.structure import lattice
from tests import crystals
from tests.representation.test_box import arrays_of, batch_of

CELL = Cell(size=16, sigma=0.9, max_atoms=20, closest=1.0)
EXAMPLES = jax.jit(CELL.examples)


def through(cell, *structures):
  """What a perfect network would give back."""
  arrays, dropped = cell.prepare(arrays_of(*structures))
  assert not dropped
  targets = jax.jit(cell.examples)(None, batch_of(arrays)).targets
  return arrays, cell.crystals(targets)


def test_crystals_come_back_whole():
  arrays, found = through(CELL, *crystals.embedded(24))
  exact = 0
  for i, crystal in enumerate(found):
    numbers = arrays['numbers'][i]
    numbers = numbers[numbers > 0]
    if sorted(crystal.numbers) != sorted(numbers):
      continue
    lengths, angles = lattice.lengths_and_angles(crystal.cell)
    true_lengths, true_angles = lattice.lengths_and_angles(arrays['cell'][i])
    np.testing.assert_allclose(lengths, true_lengths, rtol=1e-5)
    np.testing.assert_allclose(angles, true_angles, atol=1e-2)
    coordinates = crystal.positions @ np.linalg.inv(crystal.cell)
    offsets = (
      coordinates[:, None] - arrays['fractional'][i][None, : len(numbers)]
    )
    offsets = np.abs(offsets - np.rint(offsets)).max(-1)
    exact += offsets.min(0).max() < 2e-3
  assert exact >= len(found) - 1  # one in fifty stands too close for 16³


def test_atoms_of_height_one():
  arrays, _ = CELL.prepare(arrays_of(crystals.bcc()))
  examples = EXAMPLES(None, batch_of(arrays))
  occupancy = np.asarray(examples.targets['occupancy'][0])
  assert occupancy.max() == pytest.approx(1.0, abs=0.02)
  assert np.unravel_index(occupancy.argmax(), occupancy.shape) == (0, 0, 0)
  assert examples.inputs['density'].shape[1:] == (CELL.input_shapes['density'])


def test_the_order_of_atoms_and_neighbours_change_nothing():
  structures = crystals.embedded(8)
  rng = np.random.default_rng(0)
  orders = [rng.permutation(len(c.numbers)) for c in structures]
  permuted = [
    cj.Crystal(c.numbers[o], c.positions[o], c.cell)
    for c, o in zip(structures, orders, strict=True)
  ]
  first, _ = CELL.prepare(arrays_of(*structures))
  again, _ = CELL.prepare(arrays_of(*permuted[::-1]))
  for name in ('numbers', 'fractional', 'lattice'):
    np.testing.assert_allclose(first[name], again[name][::-1], atol=1e-5)


def test_refused_crystals_have_a_reason():
  many = crystals.perovskite().to_ase().repeat((5, 1, 1))
  many.numbers[0] = 56  # one Ba: no smaller cell
  close = crystals.perovskite().to_ase()
  close.set_cell([3.905, 3.905, 60.0], scale_atoms=False)
  structures = [crystals.bcc(), *map(cj.Crystal.from_ase, (many, close))]
  arrays, dropped = CELL.prepare(arrays_of(*structures))
  assert list(arrays['id']) == ['c0']
  assert list(arrays['row']) == [0]
  reasons = dict(dropped)
  assert '25 atoms in the primitive cell, more than 20' in reasons['c1']
  assert 'does not resolve' in reasons['c2']


def test_outputs_of_no_crystal_have_a_reason():
  arrays, _ = CELL.prepare(arrays_of(*[crystals.bcc()] * 4))
  targets = EXAMPLES(None, batch_of(arrays)).targets
  outputs = {name: np.array(value) for name, value in targets.items()}
  outputs['occupancy'][1] = 0
  outputs['occupancy'][2] = np.nan
  outputs['lattice'][3, 3:] = -0.9
  found = CELL.crystals(outputs)
  assert isinstance(found[0], cj.Crystal)
  for reason, word in zip(
    found[1:], ('no atom', 'finite', 'lattice'), strict=True
  ):
    assert word in reason


def test_the_model_is_built_from_its_config(tiny_cell_config):
  model = make_model(tiny_cell_config.model)
  assert model.kind == 'cell'
  assert isinstance(model.representation, Cell)


def test_a_card_has_settings_of_its_own(tiny_cell_config):
  config = config_lib.from_plain(
    json.loads(config_lib.to_json(tiny_cell_config.model))
  )
  assert make_model(config).representation.peaks == PeakConfig()
  config.cell.peaks = ConfigDict({'passes': ((1, 0.3, 0.8, 4, 2),)})
  peaks = make_model(config).representation.peaks
  assert peaks.passes == (PeakPass(1, 0.3, 0.8, 4, 2),)
  assert peaks.atom_price == PeakConfig().atom_price
  config.cell.peaks = ConfigDict({'price': 1.0})
  with pytest.raises(ValueError, match="'price'.*atom_price"):
    make_model(config)
