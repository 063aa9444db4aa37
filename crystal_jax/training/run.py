"""A training run: the model, data and optimizer of a config."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from jaxtyping import PyTree

from crystal_jax import data
from crystal_jax.codec.model import Model
from crystal_jax.models.networks import Networks
from crystal_jax.training import steps
from crystal_jax.training.state import (
  TrainState,
  create_state,
  make_optimizer,
)

if TYPE_CHECKING:
  import grain

_log = logging.getLogger(__name__)

_SPLITS = ('train', 'heldout')


class Trainable(Protocol):
  """Part of a task that training uses; see `crystal_jax.tasks.Task`."""

  @property
  def make_model(self) -> Callable[[ml_collections.ConfigDict], Model]:
    """Function from `config.model` to a model."""

  @property
  def make_loss(self) -> Callable[..., steps.Loss]:
    """Function from a model, `config.train` and `training=` to its loss."""

  @property
  def columns(
    self,
  ) -> Callable[[ml_collections.ConfigDict], tuple[str, ...]]:
    """Function from a config to names of scalar columns the loss needs."""

  @property
  def read_params(self) -> Callable[..., PyTree]:
    """Function from a folder of exported weights to parameters."""


@dataclasses.dataclass(frozen=True)
class Run:
  """A config's model, data and optimizer.

  Attributes:
    config: The config.
    task: The task of the config.
    model: The model that is trained.
    arrays: Prepared examples of 'train' and, if there are any, 'heldout'.
    refused: Number of crystals of each split that the model cannot encode; they
      are not in `arrays`.
    optimizer: Optimizer of all parameters.
  """

  config: ml_collections.ConfigDict
  task: Trainable
  model: Model
  arrays: Mapping[str, data.Arrays]
  refused: Mapping[str, int]
  optimizer: optax.GradientTransformation

  @property
  def train_step(self) -> Callable:
    """The training step, for `parallel_train_step`."""
    return steps.make_train_step(
      self.make_loss(training=True),
      self.optimizer,
      self.config.train.ema_decay,
    )

  @property
  def eval_step(self) -> Callable:
    """The step that evaluates the loss, for `parallel_eval_step`."""
    return steps.make_eval_step(self.make_loss(training=False))

  def make_loss(self, *, training: bool) -> steps.Loss:
    """The loss, to be differentiated or only evaluated."""
    return self.task.make_loss(self.model, self.config.train, training=training)

  def fresh_state(self) -> TrainState:
    """A state with fresh parameters."""
    init = functools.partial(
      self.model.networks.init, arrays=self.arrays['train']
    )
    return create_state(init, self.optimizer, self.config.train.seed)

  def train_batches(self) -> grain.DatasetIterator:
    """Shuffled training batches of this process, without end.

    Their position is saved by `get_state` and restored by `set_state`.
    """
    seed, config = self.config.train.seed, self.config.data
    sampling = None
    # Runs of earlier versions have no such field.
    if share := config.get('large_share', 0.0):
      numbers = self.arrays['train']['numbers']
      sampling = data.size_weights(
        numbers, above=config.large_above, share=share
      )
    return self._batches(
      'train',
      seed=seed,
      origins=config.origins,
      num_epochs=None,
      sampling=sampling,
    )

  def heldout_batches(
    self, limit: int | None = None
  ) -> Iterator[dict[str, np.ndarray]]:
    """Held-out batches of this process, once and in order.

    Args:
      limit: Maximum number of batches; None: all.
    """
    batches = self._batches('heldout', seed=None, origins=1, num_epochs=1)
    return itertools.islice(batches, limit)

  def _batches(self, split, **options):
    return data.batches(
      self.arrays[split],
      batch_size=self.config.train.batch_size,
      share=data.Share(
        num_devices=jax.local_device_count(),
        process_index=jax.process_index(),
        process_count=jax.process_count(),
      ),
      **options,
    )


def set_up(config: ml_collections.ConfigDict, task: Trainable) -> Run:
  """Makes the model and reads the data of a config.

  Args:
    config: See `experiments/base.py`.
    task: The task of the config.

  Raises:
    ValueError: If fields contradict each other, or no training crystal remains.
  """
  model = task.make_model(config.model)
  optimizer = make_optimizer(config.train)
  arrays, refused = {}, {}
  for split in _SPLITS:
    arrays[split], refused[split] = _load(config, task, model, split)
  if not len(arrays['train']['id']):
    raise ValueError(
      f'No crystal of {config.data.builder} is left to train on; the log lists '
      'the refused ones, with the reasons.'
    )
  if not len(arrays['heldout']['id']):
    _log.warning('No crystal is held out, so there is no held-out loss.')
    del arrays['heldout']
  representation = model.representation.sized(*arrays.values())
  model = dataclasses.replace(model, representation=representation)
  return Run(config, task, model, arrays, refused, optimizer)


def describe(run: Run) -> None:
  """Logs the size of the data and of the networks."""
  for split, arrays in run.arrays.items():
    _log.info('%s: %d crystals.', split, len(arrays['id']))
  networks = run.model.networks
  params = jax.eval_shape(networks.init, jax.random.key(0))
  for name, tree in params.items():
    count = sum(leaf.size for leaf in jax.tree.leaves(tree))
    _log.info('%s: %.3g million parameters.', name, count / 1e6)
  if isinstance(networks, Networks):
    _log.info('Latent: %s.', networks.latent_shape)
  inputs = {
    name: jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    for name, shape in run.model.representation.input_shapes.items()
  }
  forward = jax.jit(networks.predict).lower(params, inputs)
  cost = forward.cost_analysis() or {}
  _log.info(
    'Forward: %.3g GFLOP an example.', cost.get('flops', float('nan')) / 1e9
  )


def _load(config, task, model, split) -> tuple[data.Arrays, int]:
  """A split's prepared crystals and number of refused ones; logs the latter."""
  representation = model.representation
  options = {
    'columns': task.columns(config),
    'weights': config.data.weights if split == 'train' else (),
    'data_dir': config.data.data_dir or None,
    'manual_dir': config.data.manual_dir or None,
    'elements': config.data.elements,
    'min_atoms': config.data.min_atoms,
    'max_atoms': config.data.max_atoms,
    'max_e_above_hull': config.data.max_e_above_hull,
    'box_length': config.data.box_length,
  }
  where = config.data.builder, config.data[f'{split}_split']
  if config.data.in_place:
    arrays, dropped = data.load_in_place(
      config.data.in_place,
      *where,
      representation.prepare,
      key=repr(representation),
      **options,
    )
  else:
    arrays, dropped = data.load_inputs(
      *where, representation.prepare, **options
    )
  if dropped:
    _log.info(
      '%s: the model cannot encode %d crystals, which are left out:\n%s',
      split,
      len(dropped),
      '\n'.join(f'  {name}: {reason}' for name, reason in dropped),
    )
  return arrays, len(dropped)
