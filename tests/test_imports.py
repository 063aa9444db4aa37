"""Who may import whom, and what the core does without."""

import ast
import collections
import functools
import graphlib
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'crystal_jax'

# A module imports from those above it only. So decoding never sees networks,
# data never sees models, and the voxelizer sees neither files nor data sets.
LAYERS = (
  'structure', 'viewer', 'plots', 'density', 'io', 'decoding', 'lattice_search',
  'models', 'representation', 'properties', 'codec', 'data', 'training',
  'stability', 'baselines', 'evaluation', 'generation', 'tasks', '__init__',
  'cli', '__main__',
)  # fmt: skip

# Methods that import from a higher layer: file, method, layer.
UPWARD = (
  ('codec/array_codec.py', 'from_run', 'training'),
  ('codec/codec.py', 'sample', 'generation'),
  ('codec/codec.py', 'alter', 'generation'),
  ('codec/codec.py', 'load_prior', 'generation'),
  ('codec/property_codec.py', 'optimize', 'baselines'),
  ('structure/crystal.py', 'show', 'viewer'),
)

# What one knows nothing of, though it stands higher.
STRANGERS = {
  'models': ('io', 'decoding', 'lattice_search'),
  'data': ('models', 'representation', 'decoding', 'lattice_search'),
}

# What a plain `pip install` brings is enough for these.
LIGHT = (
  'structure', 'density', 'io', 'decoding', 'lattice_search', 'models',
  'representation', 'properties', 'codec', 'generation', '__init__',
  '__main__',
)  # fmt: skip

# Programs among them that train, and what else they import, of [train].
TRAINING = {'generation/fit_compositions.py': {'optax'}}

# Imported without any of these.
CORE = (
  'structure', 'io', 'io.cif', 'io.cube', 'density', 'decoding',
  'lattice_search', 'structure.adapters', 'codec', '__main__',
  'cli.decode_density', 'cli.voxelize',
)  # fmt: skip
ABSENT = (
  'flax', 'optax', 'orbax',
  'tensorflow', 'tensorflow_datasets', 'grain', 'array_record',
  'ml_collections', 'pymatgen', 'smact', 'gemmi', 'matplotlib', 'tensorboardX',
)  # fmt: skip

# What install_requires does not name: ourselves, and the extras.
OWN_OR_EXTRA = (
  'crystal_jax', 'experiments', 'smact', 'matminer', 'apache_beam', 'pyarrow',
  'chgnet',
  'sklearn',
)  # fmt: skip


def imports(path):
  """Names of the modules that a file imports, anywhere in it."""
  return imports_of(ast.parse(path.read_text()), path)


def imports_of(tree, path):
  """Names of the modules that a part of a file imports."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{path}:{node.lineno}: a relative import'
      yield node.module
      if node.module == 'crystal_jax':
        yield from (f'crystal_jax.{alias.name}' for alias in node.names)


def layer(path):
  """The part of the package that a file belongs to."""
  return path.relative_to(PACKAGE).with_suffix('').parts[0]


def upward(path):
  """What the methods of `UPWARD` may import, and the file nowhere else."""
  tree = ast.parse(path.read_text())
  allowed, elsewhere = set(), collections.Counter(imports(path))
  for file, method, layer_above in UPWARD:
    if file != str(path.relative_to(PACKAGE)):
      continue
    for node in ast.walk(tree):
      if isinstance(node, ast.FunctionDef):
        is_named = node.name == method
      else:
        is_named = isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(
          node.test
        )
      if is_named:
        names = [*imports_of(node, path)]
        elsewhere -= collections.Counter(names)
        allowed |= {n for n in names if n.split('.')[1:2] == [layer_above]}
        allowed |= {n for n in names if n == 'crystal_jax'}
  return allowed - set(elsewhere)


def test_arrows_point_down():
  wrong = []
  for path in PACKAGE.rglob('*.py'):
    me = layer(path)
    assert me in LAYERS, f'{path}: give it its place in LAYERS'
    for name in imports(path):
      parts = name.split('.')
      if parts[0] in ('experiments', 'tests', 'benchmarks'):
        wrong.append(f'{path} imports {name}')
      if parts[0] != 'crystal_jax' or len(parts) == 1:
        continue
      other = parts[1]
      if other == me:
        continue
      above = other not in LAYERS or LAYERS.index(other) >= LAYERS.index(me)
      above &= name not in upward(path)
      if above or other in STRANGERS.get(me, ()):
        wrong.append(f'{path.relative_to(ROOT)} imports {name}')
  assert not wrong, '\n'.join(wrong)


def module_imports(path):
  """Files of the package that a file imports, anywhere in it."""
  names = list(imports(path))
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom):
      names += [f'{node.module}.{alias.name}' for alias in node.names]
  for name in names:
    file = ROOT.joinpath(*name.split('.')).with_suffix('.py')
    if file.is_relative_to(PACKAGE) and file.is_file():
      yield file


def test_the_docs_list_the_layers_in_their_order():
  text = (ROOT / 'docs' / 'extend.md').read_text('utf-8')
  named = re.findall(r'^\| `(\w+)(?:/|\.py)` \|', text, re.MULTILINE)
  assert named == [each for each in LAYERS if not each.startswith('__')]


def test_no_circle_among_files():
  graph = {path: set(module_imports(path)) for path in PACKAGE.rglob('*.py')}
  assert len(graph) > 50
  assert graph[PACKAGE / 'codec' / 'model.py']
  graphlib.TopologicalSorter(graph).prepare()  # Raises, and names the circle.


def test_the_rules_can_fail(tmp_path):
  path = tmp_path / 'x.py'
  path.write_text('def f():\n  from crystal_jax import models\n')
  assert 'crystal_jax.models' in list(imports(path))
  path.write_text('from . import y\n')
  with pytest.raises(AssertionError, match='relative'):
    list(imports(path))


def run(script, **environment):
  return subprocess.run(
    [sys.executable, '-c', textwrap.dedent(script)],
    cwd=ROOT,
    env=os.environ | environment,
    capture_output=True,
    text=True,
    timeout=120,
  )


def test_the_core_imports_alone_and_does_no_work():
  """Foreign packages blocked, and no device to be had."""
  result = run(
    f"""
    import importlib
    import sys

    class Block:
      def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {ABSENT}:
          raise ImportError(f'{{name}} is blocked')

    sys.meta_path.insert(0, Block())
    import crystal_jax
    for name in {CORE}:
      importlib.import_module(f'crystal_jax.{{name}}')
    for name in crystal_jax.__all__:
      getattr(crystal_jax, name)
    assert crystal_jax.__all__ == sorted(crystal_jax.__all__)
    """,
    JAX_PLATFORMS='no_such_device',
  )
  assert result.returncode == 0, result.stderr


def test_optimizers_are_of_training():
  found = {
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob('*.py')
    if 'optax' in {name.split('.')[0] for name in imports(path)}
  }
  assert {*TRAINING} == {f for f in found if not f.startswith('training/')}


def declared(section):
  """Names of the distributions that a part of setup.py lists."""
  names = re.findall(r"^\s*f?'([\w-]+)", section, re.MULTILINE)
  return {name.lower().replace('_', '-') for name in names}


distributions = functools.cache(importlib.metadata.packages_distributions)


def imported(path):
  """For each foreign package that a file imports, its distributions."""
  for name in imports(path):
    top = name.split('.')[0]
    if top not in sys.stdlib_module_names and top not in OWN_OR_EXTRA:
      yield (
        top,
        {d.lower().replace('_', '-') for d in distributions().get(top, ())},
      )


def test_what_is_imported_is_declared():
  """What codecs and densities import is required; the rest is in [train]."""
  setup = (ROOT / 'setup.py').read_text()
  core = declared(
    setup.split('install_requires=[')[1].split('extras_require')[0]
  )
  train = declared(setup.split('_TRAIN = [')[1].split('_EVAL')[0])
  assert 'jax' in core and 'tensorflow-datasets' in train
  assert not core & train
  missing = set()
  for folder in 'crystal_jax', 'experiments', 'datasets':
    for path in (ROOT / folder).rglob('*.py'):
      inside = path.is_relative_to(PACKAGE)
      allowed = core | train
      if inside and layer(path) in LIGHT:
        file = path.relative_to(PACKAGE).as_posix()
        allowed = core | TRAINING.get(file, set())
      for top, names in imported(path):
        if not names & allowed:
          missing.add(f'{path.relative_to(ROOT)}: {top}')
  assert not missing, '\n'.join(sorted(missing))
