"""Initialisation of a training from trained weights."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.model import Model, make_model
from crystal_jax.training import checkpoints, longer_trunk, other_grid
from crystal_jax.training.state import TrainState


def read_codec_params(folder: str | os.PathLike[str]) -> PyTree:
  """Parameters of a codec's folder; see `weights_file.read`."""
  params, _ = weights_file.read(folder)
  return params


def start_from(
  state: TrainState,
  folder: str | os.PathLike[str],
  make_model: Callable[[ml_collections.ConfigDict], Model] = make_model,
  read_params: Callable[..., PyTree] = read_codec_params,
) -> TrainState:
  """A fresh state with the parameters of a trained model.

  Parameters that the trained model does not have keep their fresh values.
  Further blocks of a trunk start as identities (`longer_trunk`). Layers between
  tokens are adapted to another grid (`other_grid`).

  Args:
    state: A fresh state of the model that is to be trained.
    folder: Workdir of a run (its averaged parameters), or folder of exported
      weights.
    make_model: Function from a run's `config.model` to its model; by default
      that of codecs.
    read_params: Function from a folder of exported weights to parameters; by
      default that of codecs.

  Raises:
    FileNotFoundError: If the folder holds neither.
    ValueError: If the state lacks a parameter of the trained model, or has it
      in another shape.
  """
  folder = pathlib.Path(folder)
  if (folder / checkpoints.FOLDER).is_dir():
    _, _, trained = checkpoints.load_model(folder, make_model=make_model)
  else:
    trained = read_params(folder)
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
