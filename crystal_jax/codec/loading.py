"""What a codec is made of: a model, its parameters and a card, from disk."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
from typing import Any

import jax
import ml_collections
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.config import from_plain, to_json
from crystal_jax.codec.model import Model, make_model

# Whose versions a card names.
_LIBRARIES = 'jax', 'flax', 'numpy', 'ase', 'spglib'


def load(folder: pathlib.Path) -> tuple[Model, PyTree, dict[str, Any]]:
  """Of a folder that `weights_file` wrote.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If a file is damaged, foreign, or of another version.
  """
  if not (folder / weights_file.CARD).is_file() and _is_run(folder):
    raise FileNotFoundError(
      f'{folder}: the workdir of a run; Codec.from_run opens it.'
    )
  params, card = weights_file.read(folder)
  try:
    model = make_model(from_plain(card['config']))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    text = ' '.join(str(error).split())
    raise ValueError(
      f'{folder / weights_file.CARD}: this version of crystal_jax makes no '
      f'model of its config: {text}'
    ) from error
  expected = jax.eval_shape(model.networks.init, jax.random.key(0))
  if _shapes(expected) != _shapes(params):
    raise ValueError(
      f'{folder / weights_file.WEIGHTS}: not the tensors that the config in '
      f'{weights_file.CARD} asks for.'
    )
  return model, params, card


def from_run(
  workdir: str | os.PathLike[str],
) -> tuple[Model, PyTree, dict[str, Any]]:
  """Of the latest checkpoint of a run.

  Raises:
    FileNotFoundError: If there is none.
  """
  from crystal_jax.training import checkpoints, provenance

  workdir = pathlib.Path(workdir)
  step = checkpoints.latest_step(workdir)
  config, model, params = checkpoints.load_model(workdir, step)
  known = provenance.read(workdir)
  card = make_card(
    model,
    params,
    config,
    name=workdir.absolute().name,
    steps=step,
    elements=known.get('elements'),
    data=known.get('data'),
    figures=_figures(workdir),
  )
  return model, params, card


def make_card(
  model: Model,
  params: PyTree,
  config: ml_collections.ConfigDict,
  *,
  name: str,
  elements: list[str] | None = None,
  **known: Any,
) -> dict[str, Any]:
  """What a codec says of itself.

  Args:
    model: The model.
    params: Its parameters.
    config: What the model was made of; its `model` alone is kept.
    name: Of the codec.
    elements: Symbols of those seen in training; None if nobody knows.
    known: Further entries, as JSON.
  """
  return {
    'name': name,
    'kind': model.kind,
    'config': json.loads(to_json(config.model)),
    'latent_shape': list(model.networks.latent_shape),
    'fingerprint': weights_file.fingerprint(params),
    'elements': elements,
    **known,
    'versions': versions(),
  }


def versions() -> dict[str, str]:
  """Of this package and of what its numbers come from."""
  import crystal_jax

  found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  return {'crystal_jax': crystal_jax.__version__, **found}


def _is_run(folder: pathlib.Path) -> bool:
  return (folder / 'checkpoints').is_dir()


def _figures(workdir: pathlib.Path) -> dict[str, Any]:
  """What the evaluation of a run came to, if there was one."""
  path = workdir / 'metrics.json'
  return json.loads(path.read_text('utf-8')) if path.is_file() else {}


def _shapes(params: PyTree) -> dict[str, tuple[int, ...]]:
  leaves = jax.tree.leaves_with_path(params)
  return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}
