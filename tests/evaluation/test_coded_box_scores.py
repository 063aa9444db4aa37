"""A coded box evaluated: four columns, and where crystals are lost."""

import json

import numpy as np
import pytest

from benchmarks import boxes
from crystal_jax import tasks
from crystal_jax.evaluation import coded_box_cases

NAMES = {
  'crystals',
  'reconstruction_mse',
  'species_accuracy',
  'count_exact',
  'nearest_median',
  'nearest_p90',
  'decoded_nearest_median',
  'match',
  'strict',
  'crystals_6.67',
  'refused',
}


@pytest.mark.slow
def test_everything_is_written_and_the_oracle_is_right(
  tiny_coded_config, tmp_path
):
  config = tiny_coded_config
  config.model.box.size = 24
  config.model.box.length = 8.0
  config.model.box.max_decoded = 128
  run = tasks.set_up(config)
  results = tasks.evaluate(run, run.fresh_state(), tmp_path)
  written = json.loads((tmp_path / 'metrics.json').read_text())
  assert tuple(written) == ('train', 'heldout', 'oracle', 'baseline')
  for name, row in written.items():
    assert set(row) >= NAMES, name
    assert row['crystals'] == config.eval.crystals
  oracle, heldout = results['oracle'], results['heldout']
  assert oracle['nearest_median'] < 0.02
  assert oracle['strict_6.67'] == 1
  # Nothing was learnt.
  assert heldout['strict'] == results['baseline']['strict'] == 0
  for way in coded_box_cases.WAYS[:-1]:
    assert 0 <= heldout[f'{way}_strict'] <= 1
  assert heldout['crystal_count_exact'] <= 1
  assert heldout['kl_nats'] > 0 and heldout['lattice_units'] > 1
  page = (tmp_path / 'report.html').read_text()
  assert page.count('<img') >= 6 and 'http' not in page
  assert 'drawn from N(0, I): ' in page and 'of 70 are read' in page


def test_the_benchmark_prints_its_tables():
  names = 'nearest_median', 'nearest_p90', 'count_exact', 'species_accuracy'
  row = dict.fromkeys([*names, 'match', 'strict'], 0.5)
  row |= {f'decoded_{name}': 0.25 for name in names[:2]}
  row |= {'crystals': 8.0, 'crystals_6.67': 3, 'crystals_10': 8}
  row |= {'match_10': 0.75, 'strict_10': 0.125}
  ways = {'networks': 'as decoded', 'oracle': 'all true'}
  rows = dict.fromkeys(ways, row)
  lines = boxes.atoms_table(rows, ways).splitlines()
  assert '0.500 Å | 0.500 Å | 0.250 Å | 0.250 Å | 50.0% | 50.0%' in lines[2]
  assert '0.095 Å | 0.26 Å' in lines[-1]
  lines = boxes.crystals_table(rows, ways).splitlines()
  assert 'match of 3 up to 6.67 Å' in lines[0]
  assert '| nan% | nan% | 75.0% | 12.5% |' in lines[2]


def test_batches_of_the_benchmark_are_full_and_hold_everything_once():
  columns = {'id': np.arange(20).astype(str), 'row': np.arange(20)}
  some = list(boxes.batches(columns))
  assert [len(ids) for ids, _ in some] == [16, 4]
  assert [batch['mask'].sum() for _, batch in some] == [16, 4]
  assert all(len(batch['row']) == 16 for _, batch in some)
