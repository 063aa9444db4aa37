"""Scores of sets whose scores are known beforehand; RESULTS.md has large ones.

`benchmarks.crystals` compares reconstructions one to one, CDVAE scores the data
itself: `cj.score` has to print what they print.
"""

import numpy as np
import pytest

import crystal_jax as cj
from benchmarks.crystals import metre, moved
from crystal_jax.evaluation import matching
from crystal_jax.evaluation.samples import coverage
from crystal_jax.evaluation.samples.reference import Reference
from tests import crystals

pytest.importorskip('pymatgen')


def scores(samples, true, train=()):
  reference = Reference('known', train or true, true)
  return cj.score(samples, reference, coverage=False, workers=0).metrics


def agree(true, found):
  """Match, RMSE and METRe by `cj.score` and by `benchmarks.crystals`."""
  compared = matching.compare(true, found, workers=0, progress=False)
  metrics = scores(found, true)
  matched = [each for each in compared if each.match]
  assert metrics['match_1'] == len(matched) / metrics['compositions']
  assert metrics['rmse_1'] == pytest.approx(np.mean([c.rmse for c in matched]))
  assert metrics['metre'] == metre(true, found, compared)
  return metrics


def test_reconstructions_score_as_they_do_one_to_one():
  generator = np.random.default_rng(0)
  true = [
    crystals.perovskite(), crystals.wurtzite(), crystals.hydride(),
    crystals.bcc(), crystals.layered(),
  ]  # fmt: skip
  found = [moved(crystal, generator) for crystal in true]
  for crystal in found[:2]:
    crystal.positions[:] += generator.normal(0, 0.05, crystal.positions.shape)
  flat = np.array(true[4].positions) * [1, 1, 0.3]  # Another crystal.
  found[4] = cj.Crystal(true[4].numbers, flat, true[4].cell)
  found[3] = 'no peaks'
  metrics = agree(true, found)
  assert metrics['metre'] == 0.6
  assert metrics['compositions'] == 4 and metrics['match_1'] == 0.75


@pytest.mark.slow
def test_reconstructions_of_a_codec_score_as_they_do_one_to_one():
  true = crystals.embedded(12)
  codec = cj.Codec.load('mp_20')
  decoded = codec.decode(codec.encode(true))
  found = [c or codec.failures[i] for i, c in enumerate(decoded)]
  assert agree(true, found)['metre'] > 0.9


def test_a_folder_of_copies_is_not_novel_and_unique_once(tmp_path):
  generator = np.random.default_rng(1)
  train = crystals.embedded(8)
  for i, crystal in enumerate(train):
    for k in range(3):
      cj.write(tmp_path / f'{i}_{k}.cif', moved(crystal, generator))
  samples = [cj.read(path) for path in sorted(tmp_path.iterdir())]
  metrics = scores(samples, [crystals.bcc()], train)
  assert metrics['crystals'] == 24
  assert metrics['unique'] == pytest.approx(1 / 3)
  assert metrics['novel'] == metrics['unique_and_novel'] == 0


@pytest.mark.slow
def test_real_crystals_are_valid_and_cover_themselves():
  """CDVAE: structure 100 %; composition 91 % of MP-20; coverage near 100 %."""
  pytest.importorskip('smact')
  pytest.importorskip('matminer')
  known = crystals.embedded(300)
  metrics = scores(known, known)
  assert metrics['valid_structure'] == 1
  assert 0.85 < metrics['valid_composition'] < 1
  rows = coverage.fingerprints(known)
  assert None not in rows
  assert coverage.coverage(rows, rows) == {
    'coverage_recall': 1.0,
    'coverage_precision': 1.0,
  }
  half = coverage.coverage(rows[::2], rows[1::2])
  few = coverage.coverage(rows[:30:2], rows[1::2])
  assert half['coverage_recall'] > few['coverage_recall']
