"""The README's Python works as pasted."""

import pathlib
import re

import numpy as np
import pytest

import crystal_jax as cj

README = pathlib.Path(__file__).resolve().parents[1] / 'README.md'


def test_python_blocks_run_and_give_crystals_back(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  blocks = re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)
  assert len(blocks) == 3
  names = {}
  for block in blocks:
    exec(block, names)
  assert names['z'].shape == (1, 966)
  assert sorted(names['again'].numbers) == [11, 17]
  assert abs(np.linalg.det(names['again'].cell)) == pytest.approx(
    5.64**3 / 4, rel=1e-3
  )
  assert names['density'].shape == (60, 60, 60)
  assert names['force'].shape == (6, 3) and np.isfinite(names['force']).all()
  assert names['fit'].found
  rutile = cj.read('rutile.cif')
  assert sorted(rutile.numbers) == [8, 8, 8, 8, 22, 22]
  assert abs(abs(np.linalg.det(rutile.cell)) - 4.6**2 * 2.95) < 0.05


def test_what_the_readme_names_is_there():
  text = README.read_text()
  root = README.parent
  for path in re.findall(r'\]\(([\w./]+)\)', text):
    assert (root / path).exists(), path
  for path in re.findall(r'experiments/\w+\.py', text):
    assert (root / path).exists(), path
