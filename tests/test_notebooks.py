"""Every notebook runs to its end, with little of everything."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('*.ipynb'))


def cells(path):
  """The sources of a notebook's code."""
  return [
    ''.join(cell['source'])
    for cell in json.loads(path.read_text())['cells']
    if cell['cell_type'] == 'code'
  ]


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_and_the_first_cell_installs(path):
  assert '%pip install' in cells(path)[0]
  for cell in json.loads(path.read_text())['cells']:
    assert not cell.get('outputs') and not cell.get('execution_count')


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, data_dir):
  # What only a notebook understands is what only Colab needs.
  script = '\n\n'.join(cells(path))
  script = re.sub(r'(?m)^( *)%.*$', r'\1raise ImportError', script)
  (tmp_path / 'script.py').write_text(script)
  done = subprocess.run(
    [sys.executable, 'script.py'],
    cwd=tmp_path,
    env=os.environ
    | {
      'PYTHONPATH': str(ROOT),
      'MPLBACKEND': 'agg',
      'CRYSTAL_JAX_TINY': '1',
      'TFDS_DATA_DIR': str(data_dir),
    },
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert done.returncode == 0, done.stderr[-3000:]
