"""A run evaluated: what is written, and that its numbers mean something."""

import json

import ase.io
import pytest

from crystal_jax import tasks
from crystal_jax.evaluation import predict

NAMES = {
  'crystals',
  'reconstruction_mse',
  'species_iou',
  'species_accuracy',
  'count_exact',
  'nearest_median',
  'nearest_p90',
}


COLUMNS = ('train', 'heldout', 'oracle', 'baseline')


@pytest.mark.slow
def test_everything_is_written_and_the_oracle_is_right(tiny_config, tmp_path):
  tiny_config.model.lattice_head.enabled = True
  tiny_config.model.box.length = 8.0
  tiny_config.model.box.size = 24
  tiny_config.model.box.max_decoded = 128
  run = tasks.set_up(tiny_config)
  results = tasks.evaluate(run, run.fresh_state(), tmp_path)
  written = json.loads((tmp_path / 'metrics.json').read_text())
  assert tuple(written) == COLUMNS
  for name, row in written.items():
    assert set(row) >= NAMES, name
    assert row['crystals'] == tiny_config.eval.crystals
  oracle, baseline = results['oracle'], results['baseline']
  assert oracle['reconstruction_mse'] == 0
  assert oracle['species_iou'] == 1
  assert oracle['nearest_median'] < 0.01
  assert oracle['atoms_right'] > 0.95
  # Folded networks start as a cosine transform: some density comes through.
  heldout = results['heldout']
  assert heldout['reconstruction_mse'] < baseline['reconstruction_mse']
  # A fresh head says 6 Å and 90 degrees, about.
  assert 0.01 < heldout['head_length_error'] < 1
  assert 0 < heldout['head_angle_error'] < 60
  # The best constant is right where its species is, and nowhere else.
  assert 0 < baseline['species_iou'] < 0.2
  assert baseline['atoms_right'] < 0.5 < oracle['atoms_right']
  page = (tmp_path / 'report.html').read_text()
  assert f'<b>{heldout["atoms_right"]:.1%}</b> of the atoms' in page
  assert page.count('<img') >= 3 and 'http' not in page
  files = list((tmp_path / 'cif').glob('*.cif'))
  assert 0 < len(files) <= tiny_config.eval.crystals
  for path in files:
    assert path.name.endswith(('.lattice_found.cif', '.lattice_given.cif'))
    assert len(ase.io.read(path)) > 0
  assert not list(tmp_path.glob('*.partial'))


def test_the_last_batch_is_padded_and_every_crystal_comes_once(tiny_config):
  tiny_config.eval.crystals = 5
  tiny_config.eval.batch_size = 4
  run = tasks.set_up(tiny_config)
  batches = list(predict.batches(run, 'heldout'))
  assert [len(ids) for ids, _ in batches] == [4, 1]
  assert [b['mask'].sum() for _, b in batches] == [4, 1]
  assert len({i for ids, _ in batches for i in ids}) == 5
  shapes = [
    {name: column.shape for name, column in batch.items()}
    for _, batch in batches
  ]
  assert shapes[0] == shapes[1]
  assert shapes[0]['positions'] == (4, tiny_config.data.max_atoms, 3)
