"""The benchmarks of speed run, small, on a CPU."""

import pathlib
import sys

import numpy as np
import pytest

from benchmarks import accelerator, speed
from tests import codecs, tiny_configs

ROOT = pathlib.Path(__file__).parents[1]


def plan(tmp_path, **options):
  config = tiny_configs.tiny_config(tmp_path, 'cell')
  defaults = {
    'cells': 1,
    'random': 0,
    'sizes': (12,),
    'batch': 2,
    'matrix': 64,
    'configs': {'tiny': config},
    'codec': codecs.untrained(),
    'crystals': 4,
    'repeats': 1,
  }
  return accelerator.Plan(**defaults | options)


@pytest.mark.slow
def test_the_report_of_an_accelerator(tmp_path, capsys):
  assert accelerator.report(plan(tmp_path))
  text = capsys.readouterr().out
  rows = [line.split(' | ') for line in text.splitlines()[4:]]
  assert [row[2] for row in rows if len(row[2]) > 2] == ['holds |'] * 2
  for what in (
    'error of a peak',
    'gradient, 12³',
    'voxelize_batch',
    'training step of tiny, batch of 4',
    'against those of the CPU',
    'refine=auto',
  ):
    assert sum(what in row[0] for row in rows) in (1, 2), what


def test_a_wrong_density_fails(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(accelerator, 'densities', lambda plan: ())
  monkeypatch.setattr(accelerator, 'training_steps', lambda plan: ())
  monkeypatch.setattr(accelerator, 'codec_rows', lambda plan: ())
  monkeypatch.setattr(accelerator.rounding, 'error', lambda *args: (1e-3, 1.0))
  assert not accelerator.report(plan(tmp_path))
  assert 'FAILS' in capsys.readouterr().out


def test_the_ratio_is_that_of_the_smallest_cpu_times(monkeypatch, capsys):
  times = {
    'before': np.array([[6.0, 9.0], [4.0, 8.0]]),  # CPU and wall time, ms.
    'after': np.array([[2.0, 3.0], [5.0, 7.0]]),
  }
  monkeypatch.setattr(
    speed, 'alternating_times', lambda folders, work, rounds: times
  )
  monkeypatch.setattr(
    sys, 'argv', ['speed', f'--before={ROOT}', '--works=frame']
  )
  speed.main()
  row = capsys.readouterr().out.splitlines()[-1]
  assert row.endswith('| 4 | 2 | 2.00 | 8 | 3 |')


@pytest.mark.slow
def test_two_versions_take_turns():
  folders = {'before': ROOT, 'after': ROOT}
  times = speed.alternating_times(folders, 'frame', 2)
  assert {name: each.shape for name, each in times.items()} == {
    'before': (2, 2), 'after': (2, 2),
  }  # fmt: skip
  assert all((each > 0).all() for each in times.values())


@pytest.mark.slow
def test_the_training_step_is_set_up(monkeypatch):
  monkeypatch.chdir(ROOT)
  assert callable(speed.training_steps())
