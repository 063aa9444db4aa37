"""Where a training starts that does not start from nothing."""

from __future__ import annotations

import os
import pathlib

import jax
import jax.numpy as jnp

from crystal_jax.codec import weights_file
from crystal_jax.training import checkpoints
from crystal_jax.training.state import TrainState


def start_from(state: TrainState, folder: str | os.PathLike[str]) -> TrainState:
  """A fresh state with the parameters of a trained model.

  What the trained model has not got stays as it is.

  Args:
    state: A fresh one, of the model that is to be trained.
    folder: A codec's, or the workdir of a run: its averaged parameters.

  Raises:
    FileNotFoundError: If nothing trained lies there.
    ValueError: If a parameter there is unknown here, or of another shape.
  """
  folder = pathlib.Path(folder)
  if (folder / checkpoints.FOLDER).is_dir():
    _, _, trained = checkpoints.load_model(folder)
  else:
    trained, _ = weights_file.read(folder)
  flat, tree = jax.tree.flatten_with_path(state.params)
  fresh = {jax.tree_util.keystr(path): leaf for path, leaf in flat}
  for path, leaf in jax.tree.leaves_with_path(trained):
    name = jax.tree_util.keystr(path)
    shape = fresh[name].shape if name in fresh else None
    if shape != leaf.shape:
      raise ValueError(
        f'{folder} holds {name} of shape {leaf.shape}, here it is {shape}: '
        'the models differ. Give config.model the fields of that one.'
      )
    fresh[name] = jnp.asarray(leaf, fresh[name].dtype)
  params = jax.tree.unflatten(tree, [*fresh.values()])
  return state.replace(params=params, ema=jax.tree.map(jnp.copy, params))
