"""Reading and batching crystals needs no TFDS, array_record or TensorFlow."""

import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
  import sys

  class Block:
    def find_spec(self, name, path=None, target=None):
      blocked = 'tensorflow', 'tensorflow_datasets', 'grain', 'array_record'
      if name.split('.')[0] in blocked:
        raise ImportError(f'{name} is blocked')

  sys.meta_path.insert(0, Block())
  from crystal_jax import cli, data
  from crystal_jax.cli import encode, inputs, prepare, reconstruct
  from crystal_jax.io.reading import compact, crystals

  ((crystal, id_, _),) = crystals.read_crystals([sys.argv[1]], workers=1)
  print(id_, len(crystal.numbers))
  try:
    data.prepare([sys.argv[1]], sys.argv[2], workers=0)
  except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_without_optional_packages(tmp_path):
  (tmp_path / 'x.vasp').write_text(
    'x\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n'
  )
  done = subprocess.run(
    [
      sys.executable, '-c', textwrap.dedent(SCRIPT), str(tmp_path / 'x.vasp'),
      str(tmp_path / 'out'),
    ],
    capture_output=True,
    text=True,
    timeout=300,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert done.stdout.splitlines() == ['x 2', 'tensorflow_datasets is blocked']


# TensorFlow can be found, but to load it is an error.
BLOCKED = """
  import importlib.machinery
  import sys

  class Block:
    def find_spec(self, name, path=None, target=None):
      if name.split('.')[0] == 'tensorflow':
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
      return None

    def exec_module(self, module):
      raise ImportError(f'{module.__name__} is blocked')

  sys.meta_path.insert(0, Block())
  try:
    import tensorflow
  except ImportError:
    pass
  else:
    raise AssertionError('TensorFlow is not blocked.')
  from crystal_jax import data

  source = data.load_split('datasets/oqmd_icsd20', 'val', sys.argv[1])
  arrays = data.in_memory(source)
  batch = next(data.batches(arrays, batch_size=8, seed=0))
  assert batch['numbers'].any()
  print(len(source))
"""


@pytest.mark.slow
def test_nothing_needs_tensorflow(tmp_path):
  run = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(BLOCKED), str(tmp_path)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert run.returncode == 0, run.stderr
  assert run.stdout.split()[-1] == '1813'
