"""A wheel holds the weights and no test data, and works alone.

It is installed into a new environment, away from the checkout.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

import crystal_jax as cj
from crystal_jax.codec import shipped
from tests import crystals

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The limit of a file on a package index.
MAX_SIZE = 100e6
# What pip says when it reaches no index.
NO_NETWORK = (
  'Connection', 'connection', 'Retrying', 'Temporary failure', 'ProxyError',
  'timed out',
)  # fmt: skip


def run(*command, cwd):
  """Runs a program without this checkout; skips where there is no index."""
  env = {n: x for n, x in os.environ.items() if n != 'PYTHONPATH'}
  result = subprocess.run(
    [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True
  )
  offline = any(words in result.stderr for words in NO_NETWORK)
  if result.returncode and 'pip' in command and offline:
    pytest.skip(f'pip reaches no index: {result.stderr[-200:]}')
  assert result.returncode == 0, result.stdout + result.stderr
  return result.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  """Built from a copy, so that nothing is left in the checkout."""
  folder = tmp_path_factory.mktemp('wheel')
  source = folder / 'source'
  source.mkdir()
  for name in 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE':
    shutil.copy(ROOT / name, source)
  for name in 'crystal_jax', 'tests', 'datasets', 'experiments':
    shutil.copytree(
      ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__')
    )
  pip = sys.executable, '-m', 'pip'
  run(*pip, 'wheel', '--no-deps', source, '-w', folder, cwd=folder)
  (path,) = folder.glob('*.whl')
  return path


@pytest.mark.slow
def test_a_wheel_holds_weights_and_no_test_data(wheel):
  with zipfile.ZipFile(wheel) as file:
    names = file.namelist()
  folders = {name.split('/')[0] for name in names}
  assert folders == {'crystal_jax', f'crystal_jax-{cj.__version__}.dist-info'}
  for codec in shipped.names(retired=True):
    for file in 'card.json', 'weights.safetensors':
      assert f'crystal_jax/weights/{codec}/{file}' in names
  assert 'crystal_jax/py.typed' in names
  assert 'crystal_jax/viewer/static/3Dmol-min.js' in names
  data = [n for n in names if n.endswith(('.npz', '.cif', '.ipynb'))]
  assert data == ['crystal_jax/structure/pair_statistics.npz']
  assert wheel.stat().st_size < MAX_SIZE


@pytest.mark.slow
def test_a_wheel_works_without_the_checkout(wheel, tmp_path):
  run(sys.executable, '-m', 'venv', tmp_path / 'venv', cwd=tmp_path)
  bin_ = tmp_path / 'venv' / 'bin'
  run(bin_ / 'python', '-m', 'pip', 'install', wheel, cwd=tmp_path)
  assert 'mp_20' in run(bin_ / 'crystal-jax', 'info', cwd=tmp_path)
  cj.write(tmp_path / 'x.cif', crystals.perovskite())
  run(bin_ / 'crystal-jax', 'reconstruct', 'x.cif', '--out=again', cwd=tmp_path)
  again = cj.read(tmp_path / 'again' / 'x.cif')
  assert sorted(again.numbers) == [8, 8, 8, 22, 38]
  assert (tmp_path / 'again' / 'index.html').stat().st_size < 1e6
