"""Reading needs no TFDS, grain or TensorFlow; batching needs no TensorFlow.

Each script runs in a process of its own, in which imports of packages fail.
"""

import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Reads a crystal, then tries to prepare a data set, which needs TFDS.
READ_AND_PREPARE = """
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
def test_reading_needs_no_package_of_data_sets(tmp_path):
  (tmp_path / 'x.vasp').write_text(
    'x\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n'
  )
  script = textwrap.dedent(READ_AND_PREPARE)
  source, out = str(tmp_path / 'x.vasp'), str(tmp_path / 'out')
  run = subprocess.run(
    [sys.executable, '-c', script, source, out],
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert run.returncode == 0, run.stderr
  assert run.stdout.splitlines() == ['x 2', 'tensorflow_datasets is blocked']


# Batches a TFDS data set. TensorFlow is found as if it was installed, but its
# import fails.
LOAD_AND_BATCH = """
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
def test_batching_needs_no_tensorflow(tmp_path):
  run = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(LOAD_AND_BATCH), str(tmp_path)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert run.returncode == 0, run.stderr
  assert run.stdout.split()[-1] == '1813'  # Crystals of the split.
