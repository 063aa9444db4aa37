"""Scores of generated crystals: sets whose answers are known."""

import json
import math
import os

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.cli import score as score_command
from crystal_jax.evaluation.samples import (
  coordination,
  coverage,
  distinct,
  distributions,
  report,
  table,
)
from crystal_jax.evaluation.samples.reference import Reference, load_reference
from crystal_jax.io.reading.crystals import read_crystals
from tests import crystals

pytest.importorskip('pymatgen')
TRAIN = [crystals.perovskite(), crystals.wurtzite(), crystals.hydride()]
HELD_OUT = [crystals.bcc(), crystals.layered()]
REFERENCE = Reference('known', TRAIN, HELD_OUT)


def scored(samples, **options):
  return cj.score(samples, REFERENCE, coverage=False, workers=0, **options)


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


def write_compact(path, crystals_of_file):
  counts = [len(c.numbers) for c in crystals_of_file]
  np.savez(
    path,
    numbers=np.concatenate([c.numbers for c in crystals_of_file]).astype(
      np.uint8
    ),
    frac=np.concatenate(
      [
        np.asarray(c.positions) @ np.linalg.inv(c.cell)
        for c in crystals_of_file
      ]
    ),
    cell=np.array([c.cell for c in crystals_of_file]),
    offsets=np.cumsum([0, *counts]),
    ids=np.array([str(i) for i in range(len(crystals_of_file))]),
  )


def test_a_folder_is_scored_from_the_shell(tmp_path, capsys, in_process):
  write_compact(tmp_path / 'known_train.npz', TRAIN)
  write_compact(tmp_path / 'known_val.npz', HELD_OUT)
  assert len(load_reference(tmp_path / 'known').train) == 3
  (tmp_path / 'samples').mkdir()
  for name, crystal in ('a', TRAIN[0]), ('b', HELD_OUT[0]):
    cj.write(tmp_path / 'samples' / f'{name}.cif', crystal)
  (tmp_path / 'samples' / 'c.cif').write_text('data_x\n_cell_length_a 1\n')
  out = tmp_path / 'out'
  # Not a split; the held-out column is kept for the next time.
  np.savez(tmp_path / 'known_energy.npz', train=np.zeros(3))
  arguments = [
    'score', str(tmp_path / 'samples'), f'--reference={tmp_path / "known"}',
    f'--out={out}', '--no-coverage', f'--cache={tmp_path / "cache"}',
  ]  # fmt: skip
  assert main(arguments) == 3
  written = json.loads((out / 'scores.json').read_text())
  assert written['metrics']['crystals'] == 3
  assert written['metrics']['novel'] == pytest.approx(1 / 3)
  assert written['metrics']['metre'] == 0.5
  assert written['left_out']['coverage'] == 'not asked for'
  (kept,) = (tmp_path / 'cache').iterdir()
  assert [row['formula'] for row in json.loads(kept.read_text())] == [
    row['formula'] for row in scored(HELD_OUT).crystals
  ]
  printed = capsys.readouterr()
  assert '| novel |  | 33.3% | 100.0% |' in printed.out
  assert 'skipped c' in printed.err
  page = (out / 'report.html').read_text()
  assert page.count('<img') >= 3 and 'http' not in page
  assert len((out / 'crystals.csv').read_text().splitlines()) == 4
  assert sorted(os.listdir(out)) == [
    'crystals.csv', 'report.html', 'scores.json',
  ]  # fmt: skip


def test_every_metric_has_a_label():
  names = {
    'match_20': ('match @20', '%'),
    'match_1_valid_both': ('match @1, sample and truth valid (DiffCSP)', '%'),
    'rmse_1': ('RMS distance of matches @1', '(V/N)^(1/3)'),
    'crystals_5_to_8_atoms': ('crystals 5 to 8 atoms', ''),
    'unique_and_novel_above_20_atoms': ('unique and novel above 20 atoms', '%'),
  }
  assert {name: table.label(name) for name in names} == names


def test_draws_without_a_crystal_are_samples_and_screened_ones_are_not(
  tmp_path,
):
  for name, crystal in ('0_a', TRAIN[0]), ('2_b', HELD_OUT[0]):
    cj.write(tmp_path / f'{name}.cif', crystal)
  (tmp_path / 'index.tsv').write_text(
    'id\tfile\tformula\treason\n'
    '0\t0_a.cif\tSrTiO3\t\n'
    '1\t\t\tno peaks\n'
    '2\t2_b.cif\tFe\t\n'
    '3\t\tNaCl\tdistances: Na and Cl are 1.0 Å apart\n'
  )
  ids, samples = score_command.read_samples([tmp_path])
  assert [id_.split('_')[0] for id_ in ids] == ['0', '1', '2']
  assert samples[1] == 'no peaks'
  assert scored(samples, ids=ids).metrics['valid_structure'] == pytest.approx(
    2 / 3
  )


def test_samples_of_several_folders_have_ids_of_their_own(
  tmp_path, monkeypatch
):
  for folder in 'a', 'b':
    (tmp_path / folder).mkdir()
    cj.write(tmp_path / folder / '0_x.cif', TRAIN[0])
    cj.write(tmp_path / folder / '2_x.cif', HELD_OUT[0])
    (tmp_path / folder / 'index.tsv').write_text(
      f'id\tfile\tformula\treason\n1\t\t\tno peaks of {folder}\n'
    )
  cj.write(tmp_path / 'c.cif', TRAIN[1])
  pools = []
  monkeypatch.setattr(
    score_command,
    'read_crystals',
    lambda sources: pools.append(1) or read_crystals(sources, workers=0),
  )
  sources = [tmp_path / name for name in ('b', 'c.cif', 'a')]
  ids, samples = score_command.read_samples(sources)
  assert ids == ['b/0_x', 'b/1', 'b/2_x', 'c', 'a/0_x', 'a/1', 'a/2_x']
  assert [samples[1], samples[5]] == ['no peaks of b', 'no peaks of a']
  assert len(pools) == 1  # One start of the worker processes.


def test_scores_of_folders_of_one_name(tmp_path):
  for parent, samples in ('x', TRAIN), ('y', HELD_OUT):
    folder = tmp_path / parent / 'scores'
    report.write_report(folder, scored(samples), samples)
  folders = [tmp_path / parent / 'scores' for parent in ('x', 'y')]
  head, _, *rows = table.of_folders(folders, ['crystals']).splitlines()
  x, y = folders
  assert head == f'| metric | unit | {x} | {y} | held out |'
  assert rows == ['| crystals |  | 3 | 2 | 2 |']


def test_all_metrics_of_all_columns_are_rows():
  columns = {'a': {'unique': 0.5}, 'b': {'unique': 1.0, 'novel': 0.25}}
  assert table.rows(columns) == [
    ('unique', '', '50.0%', '100.0%'),
    ('novel', '', '-', '25.0%'),
  ]


def test_scores_side_by_side(tmp_path, capsys, in_process):
  for name, samples in ('copies', TRAIN), ('new', HELD_OUT):
    scores = scored(samples)
    report.write_report(tmp_path / name, scores, samples)
  folders = [str(tmp_path / name) for name in ('copies', 'new')]
  assert main(['score', '--table', *folders, '--metrics=crystals,novel']) == 0
  assert capsys.readouterr().out.splitlines() == [
    '| metric | unit | copies | new | held out |',
    '| --- | --- | --- | --- | --- |',
    '| crystals |  | 3 | 2 | 2 |',
    '| novel |  | 0.0% | 100.0% | 100.0% |',
  ]
  other = Reference('another', TRAIN, HELD_OUT)
  report.write_report(
    tmp_path / 'new',
    cj.score(HELD_OUT, other, coverage=False, workers=0),
    HELD_OUT,
  )
  with pytest.raises(ValueError, match='against another, known'):
    table.of_folders([tmp_path / 'copies', tmp_path / 'new'])
  with pytest.raises(ValueError, match='No metric .best.*novel'):
    table.of_folders([tmp_path / 'copies'], ['best'])
  with pytest.raises(FileNotFoundError, match='holds no scores.json'):
    table.of_folders([tmp_path])
