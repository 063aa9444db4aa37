"""A saved codec from disk: its model, parameters and card."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.config import from_plain
from crystal_jax.codec.model import Model, make_model

# A folder with this in it is the workdir of a run.
_CHECKPOINTS = 'checkpoints'


def load(folder: pathlib.Path) -> tuple[Model, PyTree, dict[str, Any]]:
  """Model, parameters and card from a folder that `weights_file` wrote.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If a file is damaged, foreign, or of another version.
  """
  if not (folder / weights_file.CARD).is_file() and is_run(folder):
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


def is_run(folder: pathlib.Path) -> bool:
  """Whether a folder is the workdir of a run."""
  return (folder / _CHECKPOINTS).is_dir()


def _shapes(params: PyTree) -> dict[str, tuple[int, ...]]:
  leaves = jax.tree.leaves_with_path(params)
  return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}
