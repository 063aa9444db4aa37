"""Every experiment builds; a mistyped field is answered with the right one."""

import importlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from crystal_jax import tasks
from crystal_jax.codec.config import from_plain, to_json
from crystal_jax.structure.elements import NUM_CLASSES
from experiments import base

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = sorted(
  path.stem
  for path in (ROOT / 'experiments').glob('*.py')
  if path.stem not in ('main', 'base', '__init__')
)


def _shapes(config):
  """What the networks of a config make of one density, traced only."""
  model = tasks.task_of(config).make_model(config.model)
  inputs = {
    name: jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    for name, shape in model.representation.input_shapes.items()
  }
  params = jax.eval_shape(model.networks.init, jax.random.key(0))
  return params, jax.eval_shape(model.networks.predict, params, inputs)


@pytest.mark.parametrize('name', NAMES)
def test_every_experiment_builds(name):
  config = importlib.import_module(f'experiments.{name}').get_config()
  params, outputs = _shapes(config)
  if 'first_stage' in config.model:  # A task on latents of a codec.
    assert params and outputs
    return
  if config.model.representation == 'cell':
    size = config.model.cell.size
    assert outputs['occupancy'].shape == (1, size, size, size)
    assert outputs['codes'].shape == (1, size, size, size, 12)
    heads = {'properties'} if config.model.properties else set()
    assert set(params) == {'vae', 'lattice'} | heads
    return
  size = config.model.box.size
  if config.model.representation == 'coded_box':
    assert outputs['occupancy'].shape == (1, size, size, size)
    assert outputs['lattice'].shape == (1, 6)
    assert set(params) == {'vae', 'head', 'lattice'}
    return
  assert outputs['density'].shape == (1, size, size, size, 1)
  assert outputs['logits'].shape == (1, size, size, size, NUM_CLASSES)
  assert set(params) == {
    'both': {'vae', 'unet'}, 'unet': {'unet'}, 'vae': {'vae'},
  }[config.model.networks]  # fmt: skip


@pytest.mark.parametrize('name', NAMES)
def test_commands_of_experiments_exist(name):
  text = importlib.import_module(f'experiments.{name}').__doc__ or ''
  for module in re.findall(r'python -m ([\w.]+)', text):
    assert importlib.util.find_spec(module), module


@pytest.mark.parametrize('name', NAMES)
def test_experiments_only_change_fields_that_exist(name):
  config = importlib.import_module(f'experiments.{name}').get_config()

  def fields(tree):
    return jax.tree.map(lambda _: None, tree, is_leaf=_is_field)

  found = config.to_dict()
  found['model'].pop('first_stage', None)  # `first_stage.freeze` adds it.
  assert fields(found) == fields(base.get_config().to_dict())


def _is_field(value):
  return not isinstance(value, dict)


@pytest.mark.parametrize('name', NAMES)
def test_a_config_comes_back_from_json_as_it_was(name):
  config = importlib.import_module(f'experiments.{name}').get_config()
  assert set(config) == {'model', 'data', 'train', 'eval'}
  again = from_plain(json.loads(to_json(config)))
  assert again == config
  assert again.model.vae.widths == config.model.vae.widths  # Tuples.


def _main(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'experiments.main', *arguments],
    cwd=ROOT,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    timeout=120,
  )


def test_a_mistyped_field_gets_a_suggestion(tmp_path):
  done = _main(
    '--config=experiments/quickstart.py',
    f'--workdir={tmp_path}',
    '--config.train.stpes=10',
  )
  assert done.returncode != 0
  assert 'Did you mean "steps"' in done.stderr
  assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_a_workdir_without_a_checkpoint_is_an_error(tmp_path, data_dir):
  done = _main(
    '--config=experiments/quickstart.py',
    f'--workdir={tmp_path}',
    f'--config.data.data_dir={data_dir}',
    '--config.data.train_split=train[:8]',
    '--config.data.heldout_split=val[:8]',
    '--mode=eval',
  )
  assert done.returncode != 0
  assert 'train first' in done.stderr
  assert 'Traceback' not in done.stderr
