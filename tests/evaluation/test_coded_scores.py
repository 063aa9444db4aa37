"""Codecs of whole crystals evaluated: perfect ones, and one untrained."""

import dataclasses
import functools
import json
import types

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax import tasks
from crystal_jax.evaluation import (
  coded_scores,
  matching,
  reconstruction,
  traversals,
)
from crystal_jax.evaluation import metric_labels as labels
from tests import codecs

pytestmark = pytest.mark.usefixtures('in_process')

COLUMNS = 'train', 'heldout', 'oracle', 'baseline'
NAMES = {
  'crystals', 'reconstruction_mse', 'species_accuracy', 'count_exact',
  'nearest_median', 'nearest_p90', 'match', 'rmse', 'strict', 'formula_exact',
  'refused',
}  # fmt: skip


def evaluated(run, state, path):
  """What `evaluate` returns, writes as JSON, and writes as a page."""
  results = tasks.evaluate(run, state, path)
  written = json.loads((path / 'metrics.json').read_text())
  assert tuple(written) == COLUMNS
  for name, row in written.items():
    assert set(row) >= NAMES, name
    assert row['crystals'] == run.config.eval.crystals
    assert [n for n in row if labels.label(n).text == n and n != 'match'] == [
      'crystals'
    ]
  return results, (path / 'report.html').read_text()


@pytest.fixture
def no_traversals(monkeypatch):
  """Without latents sampled from N(0, I).

  Of a perfect model they are densities of noise, whose thousands of peaks take
  minutes to read.
  """
  monkeypatch.setattr(traversals, 'sections', lambda *_: [])


@pytest.fixture
def unrefined(monkeypatch):
  """Without refinement, which takes minutes where nothing was learnt."""
  fast = functools.partial(reconstruction.reconstruct, refine='none')
  monkeypatch.setattr(coded_scores, 'reconstruct', fast)


def perfect(config):
  """A run of a model that loses nothing, and its state."""
  run = tasks.set_up(config)
  model = codecs.perfect_model(run.model.kind, run.model.representation)
  return dataclasses.replace(run, model=model), types.SimpleNamespace(ema={})


@pytest.mark.slow
def test_a_perfect_cell_codec_gives_everything_back(
  tiny_cell_config, tmp_path, no_traversals
):
  config = tiny_cell_config
  config.eval.crystals = 6
  run, state = perfect(config)
  (tmp_path / 'cif').mkdir()
  (tmp_path / 'cif' / 'old.cif').touch()
  results, page = evaluated(run, state, tmp_path)
  for column in 'train', 'heldout', 'oracle':
    row = results[column]
    assert row['match'] == row['strict'] == row['count_exact'] == 1, column
    assert row['rmse'] < 1e-3 and row['nearest_p90'] < 1e-2
  assert results['heldout']['networks_strict'] == 1
  assert results['heldout']['reconstruction_mse'] < 1e-10
  assert results['baseline']['match'] == 0
  # The files hold the codec's crystals, one for each held-out crystal.
  files = sorted((tmp_path / 'cif').glob('*.cif'))
  assert len(files) == 6
  pairs = (tmp_path / 'pairs.html').read_text('utf-8')
  assert pairs.count('"title":"decoded: ') == 6 and 'href="pairs.html"' in page
  decoded = [cj.read(path) for path in files]
  true = {
    str(i): (n[n > 0], f[n > 0], c)
    for i, n, f, c in zip(
      *(run.arrays['heldout'][k] for k in ('id', 'numbers', 'fractional',
                                           'cell')),
      strict=True,
    )
  }  # fmt: skip
  crystals = [true[path.stem] for path in files]
  compared = matching.compare(
    [cj.Crystal(n, f @ c, c) for n, f, c in crystals],
    decoded,
    workers=0,
    progress=False,
  )
  assert all(c.strict for c in compared)
  # One headline, its crystals, an offline page.
  assert '<b>100.0%</b> of 6 held-out crystals' in page
  assert 'Missed: 0 of 6' in page
  assert page.count('<img') >= 2 and 'http' not in page


@pytest.mark.slow
def test_an_untrained_codec_gives_nothing_back(
  tiny_cell_config, tmp_path, unrefined, no_traversals
):
  run = tasks.set_up(tiny_cell_config)
  results, page = evaluated(run, run.fresh_state(), tmp_path)
  assert results['oracle']['match'] == results['oracle']['strict'] == 1
  heldout = results['heldout']
  assert heldout['networks_match'] < 1 and heldout['kl_nats'] > 0
  missed = round((1 - heldout['match']) * heldout['crystals'])
  assert f'Missed: {missed} of 4' in page
  assert f'<b>{heldout["match"]:.1%}</b> of 4 held-out' in page


@pytest.mark.slow
def test_a_refused_crystal_is_a_miss(tiny_cell_config, no_traversals):
  config = tiny_cell_config
  config.eval.crystals = 3
  run, state = perfect(config)
  held_out = len(run.arrays['heldout']['id'])
  refused = {'train': 0, 'heldout': held_out}
  run = dataclasses.replace(run, refused=refused)
  results = coded_scores.score(run, state).results
  assert results['heldout']['refused'] == 0.5
  assert results['heldout']['match'] == results['oracle']['match'] == 0.5
  assert results['train']['match'] == 1


@pytest.mark.slow
def test_a_perfect_box_loses_nothing_on_the_way(
  tiny_coded_config, tmp_path, no_traversals
):
  config = tiny_coded_config
  config.model.box.size = 24
  config.model.box.length = 8.0
  config.model.box.max_decoded = 128
  config.model.box.filling = 'single_cell'
  run, state = perfect(config)
  results, page = evaluated(run, state, tmp_path)
  heldout, oracle = results['heldout'], results['oracle']
  kept = 1 - heldout['refused']
  assert 0 < kept < 1
  # Each ablation mends what is already right.
  for name in 'networks', 'true_lattice', 'true_species':
    assert heldout[f'{name}_strict'] == oracle['strict'] == pytest.approx(kept)
  assert heldout['strict'] == pytest.approx(kept)
  assert heldout['strict_6.67'] == 1
  assert heldout['nearest_p90'] < 0.02 and heldout['lattice_units'] < 1e-2
  assert results['baseline']['strict'] == 0
  assert page.count('<img') >= 4 and 'http' not in page


@pytest.mark.slow
def test_an_untrained_box_gives_nothing_back(
  tiny_coded_config, tmp_path, unrefined
):
  config = tiny_coded_config
  config.model.box.size = 24
  config.model.box.length = 8.0
  config.model.box.max_decoded = 128
  run = tasks.set_up(config)
  results, page = evaluated(run, run.fresh_state(), tmp_path)
  oracle, heldout = results['oracle'], results['heldout']
  assert oracle['nearest_median'] < 0.02 and oracle['strict_6.67'] == 1
  assert heldout['networks_strict'] == results['baseline']['strict'] == 0
  assert heldout['true_lattice_strict'] == 0
  assert heldout['kl_nats'] > 0 and heldout['lattice_units'] > 1
  assert 'of 70 decode to a crystal' in page
  assert 'Median autocorrelation' in page


def test_every_metric_has_a_unit():
  for name, text, unit in [
    ('rmse_median', 'RMS distance of matches, median', '(V/N)^(1/3)'),
    ('angle_error', 'error of the angles, median', '°'),
    ('networks_rmse', 'networks alone: RMS distance of matches, mean',
     '(V/N)^(1/3)'),
    ('strict_6.67', 'strict match, lattice vectors up to 6.67 Å', '%'),
    ('true_lattice_strict_10',
     'networks with the true lattice: strict match, lattice vectors up to '
     '10 Å', '%'),
    ('missed_no_crystal', 'missed: no crystal', '%'),
    ('nearest_p90', 'true atom to the nearest decoded, 90 %', 'Å'),
    ('their_own', 'their_own', ''),
  ]:  # fmt: skip
    assert labels.label(name) == (text, unit)
  assert labels.format_value(0.98046, '%') == '98.05'
  assert labels.format_value(0.0086, 'Å') == '0.0086'


def test_the_baseline_is_the_mean(tiny_cell_config):
  tiny_cell_config.eval.crystals = 64
  run = tasks.set_up(tiny_cell_config)
  outputs = coded_scores.baseline_outputs(run)
  numbers = run.arrays['train']['numbers']
  # The occupancy of one atom sums to its Gaussian's integral on the grid.
  atoms = (numbers > 0).sum(axis=1).mean()
  integral = (2 * np.pi * run.model.representation.sigma**2) ** 1.5
  np.testing.assert_allclose(
    outputs['occupancy'].sum(), atoms * integral, rtol=1e-3
  )
