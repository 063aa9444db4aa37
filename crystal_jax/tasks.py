"""Tasks that can be trained and evaluated: one `Task` per entry of `TASKS`.

`config.model.representation` names the task of a config. To add one, write its
functions in a file of their own and put a `Task` into `TASKS`; training and
evaluation find everything there. A model that a `Codec` is to load also needs
an entry in `codec.model.MAKERS`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping

from jaxtyping import PyTree
from ml_collections import ConfigDict

from crystal_jax.codec import model as model_lib
from crystal_jax.evaluation import box_scores, coded_scores
from crystal_jax.evaluation import evaluate as evaluate_lib
from crystal_jax.evaluation.scores import Scores
from crystal_jax.generation import task as prior_task
from crystal_jax.models import property_heads
from crystal_jax.training import (
  box_loss,
  coded_loss,
  coded_terms,
  loop,
  property_terms,
  start,
  steps,
)
from crystal_jax.training import run as run_lib
from crystal_jax.training.state import TrainState


def _no_columns(config: ConfigDict) -> tuple[str, ...]:
  """No columns beside the crystals."""
  del config
  return ()


@dataclasses.dataclass(frozen=True)
class Task:
  """Something that can be trained; a `run.Trainable`.

  Attributes:
    make_model: Function from `config.model` to a model.
    make_loss: Function from a model and `config.train` to a loss; `training=`:
      whether it is differentiated.
    evaluate: Function from a trained run to scores.
    columns: Function from a config to the names of the scalar columns of the
      data set (formation energy, band gap, ..) that the loss needs. They are in
      the batch, NaN where the data set has no value.
    read_params: Function from a folder of exported weights to parameters, which
      another training may start from.
  """

  make_model: Callable[[ConfigDict], model_lib.Model]
  make_loss: Callable[..., steps.Loss]
  evaluate: Callable[[run_lib.Run, TrainState], Scores]
  columns: Callable[[ConfigDict], tuple[str, ...]] = _no_columns
  read_params: Callable[..., PyTree] = start.read_codec_params


def task_of(config: ConfigDict) -> Task:
  """The task of a config.

  Raises:
    ValueError: If `config.model.representation` is not in `TASKS`.
  """
  name = config.model.representation
  if name not in TASKS:
    raise ValueError(
      f'Need model.representation={name!r} to be one of {sorted(TASKS)}.'
    )
  return TASKS[name]


def set_up(config: ConfigDict) -> run_lib.Run:
  """The data and the model of a config; see `run.set_up`."""
  return run_lib.set_up(config, task_of(config))


def train(
  config: ConfigDict, workdir: str | os.PathLike[str]
) -> tuple[run_lib.Run, TrainState]:
  """Trains what a config describes; see `loop.train`."""
  return loop.train(config, workdir, task_of(config))


def load(
  config: ConfigDict, workdir: str | os.PathLike[str]
) -> tuple[run_lib.Run, TrainState]:
  """The latest checkpoint of a run; see `loop.load`."""
  return loop.load(config, workdir, task_of(config))


def evaluate(
  run: run_lib.Run, state: TrainState, workdir: str | os.PathLike[str]
) -> Mapping[str, Mapping[str, float]]:
  """Scores a run and writes its report; see `evaluate.evaluate`."""
  score = task_of(run.config).evaluate
  return evaluate_lib.evaluate(run, state, workdir, score)


def _box_loss(
  model: model_lib.Model, config: ConfigDict, *, training: bool
) -> box_loss.BoxLoss:
  weights = box_loss.LossWeights(**config.box_loss)
  return box_loss.BoxLoss(model, weights, training)


def _cell_loss(
  model: model_lib.Model, config: ConfigDict, *, training: bool
) -> coded_loss.CodedLoss:
  return coded_loss.CodedLoss(
    model,
    coded_terms.CodedLossWeights(**config.cell_loss),
    training,
    property_terms.PropertyWeights(**config.property_loss),
  )


def _coded_box_loss(
  model: model_lib.Model, config: ConfigDict, *, training: bool
) -> coded_loss.CodedLoss:
  weights = coded_terms.CodedLossWeights(**config.coded_box_loss)
  return coded_loss.CodedLoss(model, weights, training)


def _cell_columns(config: ConfigDict) -> tuple[str, ...]:
  return property_heads.columns_of(tuple(config.model.properties))


# Tasks by `config.model.representation`.
TASKS: dict[str, Task] = {
  'box': Task(model_lib.make_box, _box_loss, box_scores.score),
  'cell': Task(
    model_lib.make_cell, _cell_loss, coded_scores.score, _cell_columns
  ),
  'coded_box': Task(
    model_lib.make_coded_box, _coded_box_loss, coded_scores.score
  ),
  'prior': Task(
    prior_task.make_model,
    prior_task.make_loss,
    prior_task.score,
    prior_task.columns,
    prior_task.read_params,
  ),
}
