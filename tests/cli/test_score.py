"""Scores of folders of crystals from the shell, and their tables."""

import json
import os

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.cli import score as score_command
from crystal_jax.evaluation.samples import (
  report,
  table,
)
from crystal_jax.evaluation.samples.reference import Reference, load_reference
from crystal_jax.io.reading.crystals import read_crystals
from tests.sample_sets import HELD_OUT, TRAIN, scored

pytest.importorskip('pymatgen')


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
  shares = [table.format_value('metre', value) for value in (0.0, 2e-4, 0.5)]
  assert shares == ['0.0%', '0.02%', '50.0%']


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
