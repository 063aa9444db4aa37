"""Scores of generated crystals: sets whose answers are known."""

import math

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation.samples import (
  coordination,
  coverage,
  distinct,
  distributions,
)
from crystal_jax.evaluation.samples.reference import Reference
from tests import crystals
from tests.sample_sets import HELD_OUT, REFERENCE, TRAIN, scored

pytest.importorskip('pymatgen')


def stretched(crystal, factor):
  return cj.Crystal(
    crystal.numbers, crystal.positions * factor, crystal.cell * factor
  )


def test_copies_of_the_training_set_are_not_novel_and_unique_once():
  copy = crystals.perovskite()
  atoms = copy.to_ase().repeat((1, 2, 1))
  atoms.translate([0.3, 0.1, 0.7])
  atoms.rotate(40, [1, 2, 3], rotate_cell=True)
  samples = [copy, cj.Crystal.from_ase(atoms), stretched(copy, 1.02), copy]
  metrics = scored(samples).metrics
  assert metrics['novel'] == metrics['unique_and_novel'] == 0
  assert metrics['unique'] == 0.25
  assert metrics['valid_structure'] == 1
  assert metrics['compositions'] == metrics['metre'] == 0
  assert math.isnan(metrics['match_1'])


def test_the_held_out_crystals_score_as_themselves():
  scores = scored(HELD_OUT)
  assert scores.metrics['novel'] == scores.metrics['unique'] == 1
  assert scores.metrics['match_1'] == scores.metrics['metre'] == 1
  assert scores.metrics['rmse_1'] < 1e-6
  assert scores.metrics['wasserstein_density'] == pytest.approx(0)
  for name in 'valid_structure', 'unique', 'novel':
    assert scores.metrics[name] == scores.heldout[name]
  assert scores.heldout['wasserstein_density'] > 0
  assert '| novel |  | 100.0% | 100.0% |' in scores.table()


def test_the_first_and_the_best_of_k_candidates():
  far = HELD_OUT[1]
  positions = np.array(far.positions)
  positions[:, 2] *= 0.3
  wrong = cj.Crystal(far.numbers, positions, far.cell)
  metrics = scored([wrong, far, HELD_OUT[0]], k=2).metrics
  assert metrics['compositions'] == 2
  assert metrics['match_1'] == 0.5 and metrics['match_2'] == 1
  assert metrics['metre'] == 1
  assert scored([wrong, wrong, far], k=2).metrics['match_2'] == 0
  assert scored([wrong, wrong, far], k=3).metrics['match_3'] == 1


def test_what_is_invalid_is_counted_and_named():
  pytest.importorskip('smact')
  valid = crystals.perovskite()
  near = np.array(valid.positions)
  near[0] = near[1] + 0.26  # 0.45 Å
  overlapping = cj.Crystal(valid.numbers, near, valid.cell)
  charged = cj.Crystal(
    np.array([11, 17, 17]), np.eye(3) * 3.0, np.diag([6.0, 6, 6])
  )
  touching = cj.Crystal(valid.numbers, 0 * near, valid.cell)
  samples = [valid, overlapping, charged, touching, None, 'no peaks']
  scores = scored(samples, ids=list('abcdef'))
  metrics = scores.metrics
  assert metrics['crystals'] == 6
  assert metrics['valid_structure'] == pytest.approx(2 / 6)
  assert metrics['valid_composition'] == pytest.approx(2 / 6)
  assert metrics['valid'] == pytest.approx(1 / 6)
  assert [
    (row['id'], row['valid_structure'], row['valid_composition'])
    for row in scores.crystals
  ] == [
    ('a', True, True),
    ('b', False, True),
    ('c', True, False),
    *((id_, False, False) for id_ in 'def'),
  ]
  failures = [row['failure'] for row in scores.crystals]
  assert failures[:3] == ['', '', ''] and 'apart' in failures[3]
  assert failures[4:] == ['no crystal', 'no peaks']


def test_distances_are_those_of_the_means():
  bcc = crystals.bcc()
  denser = stretched(bcc, 0.5 ** (1 / 3))
  found = distributions.wasserstein([denser], [bcc])
  density = distributions.properties(bcc)['density']
  assert density == pytest.approx(7.87, abs=0.05)  # Iron's, g/cm³.
  assert found['wasserstein_density'] == pytest.approx(density, rel=1e-5)
  assert found['wasserstein_atoms'] == found['wasserstein_elements'] == 0


def test_coverage_of_points_on_a_line():
  def at(structure, composition):
    return coverage.Fingerprint(
      np.array([float(structure)]), np.array([float(composition)])
    )

  known = [at(0, -1), at(1, 1), at(5, 1), at(6, -1)]
  samples = [at(0.3, -1), at(1.1, 1), at(9, 0), None]
  cut_offs = coverage.CutOffs(0.5, 0.5)
  assert coverage.coverage(samples, known, cut_offs) == {
    'coverage_recall': 0.5,
    'coverage_precision': 0.5,
  }
  assert coverage.coverage(known, known, cut_offs) == {
    'coverage_recall': 1.0,
    'coverage_precision': 1.0,
  }


def test_results_of_the_data_set_are_kept(tmp_path, monkeypatch):
  first = cj.score(TRAIN, REFERENCE, coverage=False, workers=0, cache=tmp_path)
  find = distinct.find_distinct
  asked = []
  monkeypatch.setattr(
    distinct,
    'find_distinct',
    lambda samples, *args, **kw: (
      asked.append(samples) or find(samples, *args, **kw)
    ),
  )
  again = cj.score(TRAIN, REFERENCE, coverage=False, workers=0, cache=tmp_path)
  assert again.heldout == first.heldout and len(asked) == 1
  other = Reference('known', TRAIN[:1], HELD_OUT)
  cj.score(TRAIN, other, coverage=False, workers=0, cache=tmp_path)
  assert len(asked) == 3


def test_fingerprints_come_back_from_a_file(tmp_path):
  rows = [
    coverage.Fingerprint(np.arange(3.0), np.ones(2)),
    None,
    coverage.Fingerprint(np.zeros(3), np.arange(2.0)),
  ]
  coverage._write(tmp_path / 'a' / 'f.npz', rows)
  again = coverage._read(tmp_path / 'a' / 'f.npz')
  assert again[1] is None
  np.testing.assert_array_equal(again[0].structure, rows[0].structure)
  np.testing.assert_array_equal(again[2].composition, rows[2].composition)


@pytest.mark.slow
def test_equivalent_sites_are_taken_once():
  """As if each site were featurized."""
  pytest.importorskip('matminer')
  for crystal in crystals.perovskite(), crystals.wurtzite():
    rows = coordination.fingerprint(crystal, range(len(crystal.numbers)))
    found = coverage.fingerprint(crystal)
    np.testing.assert_allclose(found.structure, np.mean(rows, 0), atol=1e-6)


@pytest.mark.slow
def test_fingerprints_do_not_depend_on_the_description():
  pytest.importorskip('matminer')
  moved = crystals.hydride().to_ase().repeat((2, 1, 1))
  moved.translate([0.2, 0.3, 0.4])
  first, second, other = coverage.fingerprints(
    [crystals.hydride(), cj.Crystal.from_ase(moved), crystals.bcc()], workers=0
  )
  np.testing.assert_allclose(first.structure, second.structure, atol=1e-6)
  np.testing.assert_allclose(first.composition, second.composition, atol=1e-9)
  assert np.linalg.norm(first.structure - other.structure) > 0.4


def test_mistakes_are_named():
  with pytest.raises(ValueError, match='Got no crystals'):
    scored([])
  with pytest.raises(ValueError, match='2 ids for 1'):
    scored([crystals.bcc()], ids=['a', 'b'])
  with pytest.raises(ValueError, match='positive k=0'):
    scored([crystals.bcc()], k=0)
  with pytest.raises(FileNotFoundError, match='No reference'):
    cj.score([crystals.bcc()], './no_such_set')
