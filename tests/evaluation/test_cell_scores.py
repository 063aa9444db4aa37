"""A cell model evaluated: four columns, and distances in the lattice."""

import json

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax import tasks
from crystal_jax.evaluation import cell_scores
from tests import crystals

NAMES = {
  'crystals',
  'reconstruction_mse',
  'species_accuracy',
  'count_exact',
  'nearest_median',
  'nearest_p90',
  'match',
  'rmse',
  'strict',
  'formula_exact',
  'refused',
}


def test_everything_is_written_and_the_oracle_is_right(
  tiny_cell_config, tmp_path
):
  run = tasks.set_up(tiny_cell_config)
  results = tasks.evaluate(run, run.fresh_state(), tmp_path)
  written = json.loads((tmp_path / 'metrics.json').read_text())
  assert tuple(written) == ('train', 'heldout', 'oracle', 'baseline')
  for name, row in written.items():
    assert set(row) >= NAMES, name
    assert row['crystals'] == tiny_cell_config.eval.crystals
  assert results['oracle']['match'] == results['oracle']['strict'] == 1
  assert results['oracle']['rmse'] < 1e-3
  assert results['heldout']['match'] < 1  # nothing was learnt
  assert results['heldout']['kl_nats'] > 0
  assert results['baseline']['match'] == 0
  page = (tmp_path / 'report.html').read_text()
  assert page.count('<img') >= 2 and 'http' not in page


def test_distances_are_the_shortest_in_the_true_lattice():
  true = crystals.perovskite()
  cell = np.asarray(true.cell)
  # Through the walls, and in a lattice two times as long.
  moved = (np.asarray(true.positions) + 0.05) @ np.linalg.inv(cell) % 1.0
  found = cj.Crystal(true.numbers, moved @ (2 * cell), 2 * cell)
  compared = cell_scores.compare_atoms(true, found)
  np.testing.assert_allclose(
    compared.true_distances, 0.05 * np.sqrt(3), rtol=1e-5
  )
  np.testing.assert_array_equal(compared.nearest_numbers, true.numbers)
  assert compared.count_exact


def test_no_crystal_is_near_to_nothing():
  compared = cell_scores.compare_atoms(crystals.bcc(), 'a reason')
  assert compared.true_distances == pytest.approx([5.0])
  assert not compared.count_exact
