"""The benchmarks of codecs: rows, near-duplicates, METRe, tables."""

import argparse

import numpy as np
import pytest

import crystal_jax as cj
from benchmarks import boxes, compact_crystals
from benchmarks import crystals as benchmark
from benchmarks import crystals_report as report
from crystal_jax.evaluation import matching
from tests import crystals

pytest.importorskip('pymatgen')


def compare(true, found):
  return matching.compare(true, found, workers=0, progress=False)


@pytest.fixture(scope='module')
def all_crystals():
  return [make() for make in crystals.ALL]


def test_moved_and_doubled_it_is_the_same_crystal(all_crystals):
  rng = np.random.default_rng(0)
  for found in (
    [benchmark.moved(crystal, rng) for crystal in all_crystals],
    [benchmark.doubled(crystal) for crystal in all_crystals],
  ):
    assert all(result.strict for result in compare(all_crystals, found))
    assert not any(
      np.allclose(a.cell, b.cell)
      for a, b in zip(all_crystals, found, strict=True)
    )


def carbon(length):
  return cj.Crystal(
    np.array([6, 6]),
    np.array([[0, 0, 0], [0.7, 0.9, 1.3]]),
    np.diag([length, 3, 4.0]),
  )


def test_near_duplicates():
  group = [carbon(3.0), carbon(3.001), carbon(3.5), carbon(3.0)]
  found = benchmark.find_near_duplicates(
    group, np.array([-1.0, -1.0005, -1.0, -1.1])
  )
  assert found.tolist() == [True, True, False, False]
  assert benchmark.find_near_duplicates(group, np.full(4, np.nan)) is None
  assert (
    benchmark.find_near_duplicates([crystals.bcc(), group[0]], np.zeros(2))
    is None
  )


def test_metre_takes_a_match_of_any():
  true = [carbon(3.0), crystals.bcc(), crystals.perovskite()]
  found = [crystals.bcc(), carbon(3.0), None]
  scores = compare(true, found)
  assert not any(score.match for score in scores)
  assert benchmark.metre(true, found, scores) == pytest.approx(2 / 3)


class FirstAtomCodec:
  """Encodes the first atom and an orthogonal cell; refuses Zn."""

  size = 4

  def encode(self, crystals, skip, std):
    assert skip and std
    self.failures = {i: 'Zn' for i, c in enumerate(crystals) if 30 in c.numbers}
    z = np.array([[*np.diag(c.cell), c.numbers[0]] for c in crystals])
    z[list(self.failures)] = np.nan
    return z.astype(np.float32), np.full(z.shape, 1e-3, np.float32)

  def decode(self, z, symmetrize=0.2, refine='auto'):
    assert refine in ('auto', 'none')
    self.failures = {
      i: 'it is not finite' for i, row in enumerate(z) if np.isnan(row).any()
    }
    return [
      None
      if i in self.failures
      else cj.Crystal(
        np.rint(row[3:]).astype(int), np.zeros((1, 3)), np.diag(row[:3])
      )
      for i, row in enumerate(z)
    ]

  def kl(self, crystals):
    return np.ones(len(crystals), np.float32)


def test_round_trip(all_crystals):
  lone = cj.Crystal(np.array([26]), np.zeros((1, 3)), np.diag([2.0, 3, 4]))
  true = [lone, crystals.wurtzite()]
  args = argparse.Namespace(seed=0, rows='mean,sample,networks,supercell')
  found, latents, kl = benchmark.reconstruct(FirstAtomCodec(), true, args)
  assert list(found) == [
    'mean',
    'sample',
    'mean, networks',
    'sample, networks',
    'supercell',
  ]
  assert list(latents) == ['mean', 'supercell'] and kl.shape == (2,)
  assert all(row[1] == 'refused: Zn' for row in found.values())
  scores = {name: compare(true, row) for name, row in found.items()}
  assert scores['mean'][0].strict and scores['mean'][0].rmse < 1e-6
  np.testing.assert_allclose(found['supercell'][0].cell[0, 0], 4)
  text = report.match_table(scores)
  assert '| mean | 50.00% (9.5% to 90.5%) | 0.0000 | 50.00% |' in text
  assert '| missed from | refused |' in report.miss_table(scores)
  assert '| mean | 50.00% |' in report.miss_table(scores)
  assert '| elements up to 1 | 1 | 100.0% |' in report.size_table(
    true, scores['mean']
  )
  assert '| one crystal, supercell | 2 | 2 | 2 |' in report.distance_table(
    latents
  )


def test_a_file_is_read(tmp_path):
  np.savez(
    tmp_path / 'file.npz',
    numbers=np.array([6, 6, 7], np.uint8),
    frac=np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]], np.float32),
    cell=np.array([2 * np.eye(3), 3 * np.eye(3)], np.float32),
    offsets=np.array([0, 2, 3]),
    ids=np.array(['a', 'b']),
    energy_per_atom=np.array([-1, -2], np.float32),
  )
  ids, found, energies = compact_crystals.read(tmp_path / 'file.npz')
  assert ids == ['a', 'b'] and energies.tolist() == [-1, -2]
  np.testing.assert_allclose(found[0].positions[1], 1)
  (tmp_path / 'ids').write_text('b\n')
  ids, found, _ = compact_crystals.read(tmp_path / 'file.npz', tmp_path / 'ids')
  assert ids == ['b'] and found[0].numbers.tolist() == [7]
  found, scalars = compact_crystals.read_random(tmp_path / 'file.npz', 2, 0)
  of_energy = {-1: [6, 6], -2: [7]}
  assert [c.numbers.tolist() for c in found] == [
    of_energy[energy] for energy in scalars['energy_per_atom'].tolist()
  ]
  assert sorted(of_energy) == sorted(scalars['energy_per_atom'])
  found, _ = compact_crystals.read_random(tmp_path / 'file.npz', 1, 0)
  assert len(found) == 1


def test_the_tables_of_boxes():
  names = 'nearest_median', 'nearest_p90', 'count_exact', 'species_accuracy'
  row = dict.fromkeys([*names, 'match', 'strict'], 0.5)
  row |= {f'decoded_{name}': 0.25 for name in names[:2]}
  row |= {'crystals': 8.0, 'crystals_6.67': 3.0, 'crystals_10': 8.0}
  row |= {'match_10': 0.75, 'strict_10': 0.125}
  rows = dict.fromkeys(('networks', 'oracle'), row)
  lines = boxes.atoms_table(rows).splitlines()
  assert '0.500 Å | 0.500 Å | 0.250 Å | 0.250 Å | 50.0% | 50.0%' in lines[2]
  assert '0.095 Å | 0.26 Å' in lines[-1]
  lines = boxes.crystals_table(rows).splitlines()
  assert 'match of 3 up to 6.67 Å' in lines[0]
  assert '| nan% | nan% | 75.0% | 12.5% |' in lines[2]


def test_batches_are_full_and_hold_everything_once():
  columns = {'id': np.arange(20).astype(str), 'row': np.arange(20)}
  batches = list(boxes.batches(columns))
  assert [ids for ids, _ in batches] == [
    columns['id'][:16].tolist(),
    columns['id'][16:].tolist(),
  ]
  assert [batch['mask'].sum() for _, batch in batches] == [16, 4]
  assert all(len(batch['row']) == 16 for _, batch in batches)
