"""Initialisation of a training from trained weights."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections

from crystal_jax.codec import weights_file
from crystal_jax.codec.model import Model, make_model
from crystal_jax.training import checkpoints, longer_trunk, other_grid
from crystal_jax.training.state import TrainState


def start_from(
  state: TrainState,
  folder: str | os.PathLike[str],
  make_model: Callable[[ml_collections.ConfigDict], Model] = make_model,
) -> TrainState:
  """A fresh state with the parameters of a trained model.

  Parameters that the trained model does not have keep their fresh values.
  Further blocks of a trunk start as identities (`longer_trunk`). Layers between
  tokens are adapted to another grid (`other_grid`).

  Args:
    state: A fresh state of the model that is to be trained.
    folder: Folder of a codec, or workdir of a run (its averaged parameters).
    make_model: Function from a run's `config.model` to its model; by default
      that of codecs.

  Raises:
    FileNotFoundError: If the folder holds neither.
    ValueError: If the state lacks a parameter of the trained model, or has it
      in another shape.
  """
  folder = pathlib.Path(folder)
  if (folder / checkpoints.FOLDER).is_dir():
    _, _, trained = checkpoints.load_model(folder, make_model=make_model)
  else:
    trained, _ = weights_file.read(folder)
  trained = other_grid.regrid(trained, state.params)
  trained, params = longer_trunk.lengthen(trained, state.params)
  flat, tree = jax.tree.flatten_with_path(params)
  fresh = {jax.tree_util.keystr(path): leaf for path, leaf in flat}
  for path, leaf in jax.tree.leaves_with_path(trained):
    name = jax.tree_util.keystr(path)
    shape = fresh[name].shape if name in fresh else None
    if shape != leaf.shape:
      raise ValueError(
        f'{folder} holds {name} of shape {leaf.shape}, and in this model its '
        f'shape is {shape}: the models differ. Give config.model the fields of '
        'the trained one.'
      )
    fresh[name] = jnp.asarray(leaf, fresh[name].dtype)
  params = jax.tree.unflatten(tree, [*fresh.values()])
  ema = jax.tree.map(jnp.copy, params)
  return dataclasses.replace(state, params=params, ema=ema)
