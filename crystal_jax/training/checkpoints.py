"""Checkpoints: train state, position in the data, metrics and config.

A resumed run equals an unbroken one. Orbax writes a checkpoint under a
temporary name and renames it when it is complete, so a killed run never leaves
a partial one.
"""

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import ml_collections
import orbax.checkpoint as ocp
from flax import traverse_util
from jaxtyping import PyTree
from orbax.checkpoint import checkpoint_managers

from crystal_jax.codec import config as config_lib
from crystal_jax.codec.model import Model, make_model
from crystal_jax.training.parallel import replicate
from crystal_jax.training.state import (
  TrainState,
  create_state,
  make_optimizer,
)

FOLDER = 'checkpoints'

# Fields of `config.model` in which a checkpoint may differ from the run that
# resumes it.
_CHANGEABLE = (
  'dtype',
  'box.filling',
  'box.turn',
  'box.max_images',
  'box.max_decoded',
  'first_stage.weights',  # Where they are; the fingerprint must be equal.
  'first_stage.cache',
)


def open_checkpoints(
  workdir: str | os.PathLike[str], keep: int = 2
) -> ocp.CheckpointManager:
  """The checkpoints of a run: the latest `keep`, and the best one.

  The best one has the smallest held-out loss.
  """
  policies = checkpoint_managers.AnyPreservationPolicy(
    [
      checkpoint_managers.LatestN(keep),
      checkpoint_managers.BestN(
        get_metric_fn=lambda metrics: metrics['loss'],
        reverse=True,
        n=1,
        keep_checkpoints_without_metrics=False,
      ),
    ]
  )
  return ocp.CheckpointManager(
    pathlib.Path(workdir).absolute() / FOLDER,
    options=ocp.CheckpointManagerOptions(preservation_policy=policies),
  )


def save(
  checkpoints: ocp.CheckpointManager,
  state: TrainState,
  data_state: Mapping[str, Any],
  config: ml_collections.ConfigDict,
  metrics: Mapping[str, float] | None,
) -> None:
  """Saves a checkpoint in the background; the state can be used at once.

  Args:
    checkpoints: The checkpoints of the run.
    state: The train state.
    data_state: Position in the data, as JSON values.
    config: The config of the run.
    metrics: Held-out metrics with the 'loss' that ranks checkpoints. None: no
      evaluation since the last checkpoint, so this one cannot be the best.
  """
  step = int(state.step)
  if jax.process_count() > 1:
    # pmap returns arrays of this process; Orbax saves global ones.
    state = replicate(state)
  checkpoints.save(
    step,
    args=ocp.args.Composite(
      state=ocp.args.StandardSave(_plain(state)),
      data=ocp.args.JsonSave(dict(data_state)),
      config=ocp.args.JsonSave(config.to_dict()),
    ),
    metrics=metrics,
  )


def restore(
  checkpoints: ocp.CheckpointManager,
  state: TrainState,
  config: ml_collections.ConfigDict,
  step: int | None = None,
) -> tuple[TrainState, dict[str, Any]]:
  """The state and the data position at a step.

  Args:
    checkpoints: The checkpoints of the run.
    state: A fresh state of the same shapes; its values are not used.
    config: The config of that state.
    step: The step of the checkpoint; None: the latest.

  Raises:
    FileNotFoundError: If there is no checkpoint.
    ValueError: If the checkpoint's model is not that of the config.
  """
  step = _existing_step(checkpoints, step)
  changed = _changed_fields(restore_config(checkpoints, step), config)
  if changed:
    raise ValueError(
      f'The checkpoint at step {step} in {checkpoints.directory} does not fit '
      f'this config, which differs in {", ".join(changed)}. Use another '
      '--workdir, or the config of the checkpoint.'
    )
  restored = checkpoints.restore(
    step,
    args=ocp.args.Composite(
      state=ocp.args.StandardRestore(_plain(state)),
      data=ocp.args.JsonRestore(),
    ),
  )
  plain = restored['state']
  key = jax.random.wrap_key_data(plain['key'])
  state = replicate(TrainState(**{**plain, 'key': key}))
  return state, restored['data']


def latest_step(workdir: str | os.PathLike[str]) -> int | None:
  """The step of the latest checkpoint; None if there is none."""
  if not (pathlib.Path(workdir) / FOLDER).is_dir():
    return None
  with open_checkpoints(workdir) as checkpoints:
    return checkpoints.latest_step()


def load_model(
  workdir: str | os.PathLike[str],
  step: int | None = None,
  *,
  make_model: Callable[[ml_collections.ConfigDict], Model] = make_model,
) -> tuple[ml_collections.ConfigDict, Model, PyTree]:
  """A trained model without its data set.

  Args:
    workdir: Folder of the run.
    step: The step of the checkpoint; None: the latest.
    make_model: Function from `config.model` to the model; by default that of
      codecs.

  Returns:
    The config, the model and the averaged parameters.

  Raises:
    FileNotFoundError: If `workdir` holds no checkpoint.
  """
  if not (pathlib.Path(workdir) / FOLDER).is_dir():
    raise FileNotFoundError(f'{workdir} holds no {FOLDER}; train first.')
  with open_checkpoints(workdir) as checkpoints:
    config = restore_config(checkpoints, step)
    model = make_model(config.model)
    optimizer = make_optimizer(config.train)
    fresh = create_state(model.networks.init, optimizer, config.train.seed)
    state, _ = restore(checkpoints, fresh, config, step)
  params = jax.tree.map(lambda leaf: leaf.addressable_data(0), state.ema)
  return config, model, params


def restore_config(
  checkpoints: ocp.CheckpointManager, step: int | None = None
) -> ml_collections.ConfigDict:
  """The config of a run at a step; None: at the latest.

  Raises:
    FileNotFoundError: If there is no checkpoint.
  """
  restored = checkpoints.restore(
    _existing_step(checkpoints, step),
    args=ocp.args.Composite(config=ocp.args.JsonRestore()),
  )
  return config_lib.from_plain(restored['config'])


def _existing_step(checkpoints: ocp.CheckpointManager, step: int | None) -> int:
  """The given step, or the latest one; an error if there is none."""
  step = checkpoints.latest_step() if step is None else step
  if step is None:
    raise FileNotFoundError(
      f'{checkpoints.directory} holds no checkpoint; train first.'
    )
  return step


def _changed_fields(old, new) -> list[str]:
  """Fields of the model that differ, such as `model.vae.latent`."""
  old, new = (
    traverse_util.flatten_dict(each.to_dict().get('model', {}), sep='.')
    for each in (old, new)
  )
  return [
    f'model.{name}'
    for name in new
    if name not in _CHANGEABLE and old.get(name) != new[name]
  ]


def _plain(state: TrainState) -> dict[str, Any]:
  """The fields of a state, with the typed key as plain integers.

  Not every version of Orbax stores typed keys.
  """
  fields = {name: getattr(state, name) for name in state.__dataclass_fields__}
  return {**fields, 'key': jax.random.key_data(state.key)}
