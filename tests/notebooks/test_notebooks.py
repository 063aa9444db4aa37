"""The notebooks run from top to bottom and say what they promise.

Each runs in a kernel and an empty folder of its own, as a user's would. That is
slow; what they show is held by quick tests too: derivatives of a density by
`density`, the way to a latent and back by `test_readme`, steps between two
crystals by `test_codec`, a run that goes on by `training`.
"""

import os
import pathlib
import re

import nbclient
import nbformat
import pytest

from crystal_jax.codec import codec

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('*.ipynb'))

_IDS = [path.stem for path in NOTEBOOKS]


@pytest.fixture
def execute(tmp_path, data_dir, monkeypatch):
  """What a notebook prints, and how many pictures it shows."""
  # The kernel of this environment, not one that a user has registered.
  monkeypatch.setenv('JUPYTER_PREFER_ENV_PATH', '1')
  env = {
    **os.environ,
    'CRYSTAL_JAX_FAST': '1',
    'IPYTHONDIR': str(tmp_path / 'ipython'),
    'PYTHONPATH': str(ROOT),
    'PYTHONDONTWRITEBYTECODE': '1',
    'TFDS_DATA_DIR': str(data_dir),
    'XLA_FLAGS': '',  # One device, as a user has.
  }
  folder = tmp_path / 'notebooks'
  folder.mkdir()
  # As in a clone, but what a notebook writes stays here.
  (tmp_path / 'datasets').symlink_to(ROOT / 'datasets')

  def run(name):
    notebook = nbformat.read(ROOT / 'notebooks' / f'{name}.ipynb', 4)
    client = nbclient.NotebookClient(
      notebook,
      timeout=600,
      kernel_name='python3',
      resources={'metadata': {'path': str(folder)}},
    )
    client.execute(env=env)
    outputs = [o for cell in notebook.cells for o in cell.get('outputs', ())]
    printed = ''.join(o['text'] for o in outputs if o.get('name') == 'stdout')
    return printed, sum('image/png' in o.get('data', ()) for o in outputs)

  return run


def _number(pattern, text):
  found = re.search(pattern, text)
  assert found, f'no {pattern!r} in:\n{text}'
  return float(found[1])


@pytest.mark.slow
def test_atoms_move_onto_the_density(execute):
  printed, pictures = execute('01_voxelize')
  assert pictures == 3
  assert _number(r'(\d+) atoms and images reach', printed) > 100
  assert _number(r'([\d.]+) electrons', printed) == pytest.approx(76, abs=0.01)
  assert _number(r'start: ([\d.]+) Å', printed) > 0.3
  assert _number(r'end: ([\d.]+) Å', printed) < 0.005


@pytest.mark.slow
def test_a_cif_goes_to_a_latent_and_back(execute):
  weights = pathlib.Path(codec.__file__).parents[1] / 'weights' / 'mp_20'
  if not weights.is_dir():
    pytest.skip('needs the shipped weights crystal_jax/weights/mp_20')
  printed, pictures = execute('02_encode_decode')
  assert pictures == 2
  assert 'latent: float32 (1, 966)' in printed
  assert 'match: True' in printed and "symbols='" in printed
  assert _number(r'rmse ([\d.]+)', printed) < 0.05
  assert _number(r'(\d) of 7 are crystals', printed) >= 5


@pytest.mark.slow
def test_a_run_stops_and_goes_on(execute):
  printed, pictures = execute('03_train')
  assert pictures == 1
  assert 'stopped at step 10\n' in printed
  assert 'went on to step 20\n' in printed
  assert 'codec of 966 numbers, step 20\n' in printed
  first = _number(r'loss ([\d.]+) at first', printed)
  assert _number(r'at first, ([\d.]+) at last', printed) < 0.9 * first


@pytest.mark.slow
def test_a_map_shows_energies_and_neighbours(execute):
  printed, pictures = execute('04_latent')
  assert pictures == 2
  assert _number(r'(\d+) of 303 crystals encoded', printed) > 290
  error = _number(r'mean absolute error ([\d.]+)', printed)
  assert error < 0.5 * _number(r'mean alone ([\d.]+)', printed)
  assert len(re.findall(r'space group +225\b', printed)) >= 2
  before = _number(r'from (-[\d.]+) to', printed)
  assert _number(r'to (-[\d.]+) eV/atom', printed) < before
  assert 'C.cif,10' in printed and 'The latent is' in printed
  assert 2 < _number(r'boron nitride: ([\d.]+) Mohs', printed) < 15


@pytest.mark.slow
def test_crystals_are_drawn_as_asked(execute):
  printed, _ = execute('05_draw')
  assert len(re.findall(r'^\d  ', printed, re.MULTILINE)) == 18
  assert 'CoLiO2' in printed
  near = _number(r'strength 0.1: ([\d.]+)', printed)
  assert near < _number(r'strength 0.8: ([\d.]+)', printed)


@pytest.mark.parametrize('path', NOTEBOOKS, ids=_IDS)
def test_notebooks_are_stripped_and_install_first(path):
  notebook = nbformat.read(path, 4)
  nbformat.validate(notebook)
  cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
  # Of a clone or a wheel, with the extra that brings what it imports: the
  # package is on no index.
  extra = 'plots' if path.stem in ('04_latent', '05_draw') else 'train'
  install = r'%pip install -q "{(PACKAGE|CHECKOUT)}\[' + extra + r'\]"'
  assert re.search(install, cells[0].source)
  for cell in cells:
    assert not cell.outputs and cell.execution_count is None
