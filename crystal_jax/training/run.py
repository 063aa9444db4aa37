"""From a config to everything a training run needs: model, data, optimizer."""

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from crystal_jax import data
from crystal_jax.codec.model import Model
from crystal_jax.training import steps
from crystal_jax.training.state import (
  TrainState,
  create_state,
  make_optimizer,
)

_log = logging.getLogger(__name__)

_SPLITS = ('train', 'heldout')


class Trainable(Protocol):
  """What training needs of a task; see `crystal_jax.tasks.Task`."""

  @property
  def make_model(self) -> Callable[[ml_collections.ConfigDict], Model]:
    """`config.model` to a model."""

  @property
  def make_loss(self) -> Callable[..., steps.Loss]:
    """A model, `config.train` and `training=` to its loss."""

  @property
  def columns(
    self,
  ) -> Callable[[ml_collections.ConfigDict], tuple[str, ...]]:
    """A config to the names of scalar columns that the loss needs."""


@dataclasses.dataclass(frozen=True)
class Run:
  """A config's model, data and optimizer.

  Attributes:
    config: The config.
    task: The task of the config.
    model: What is trained.
    arrays: Prepared examples of 'train' and, if there are any, 'heldout'.
    refused: Of each, how many crystals the model cannot encode; they are not in
      `arrays`.
    optimizer: One for all parameters.
  """

  config: ml_collections.ConfigDict
  task: Trainable
  model: Model
  arrays: Mapping[str, data.Arrays]
  refused: Mapping[str, int]
  optimizer: optax.GradientTransformation

  @property
  def train_step(self) -> Callable:
    """For `parallel_train_step`."""
    return steps.make_train_step(
      self.make_loss(training=True),
      self.optimizer,
      self.config.train.ema_decay,
    )

  @property
  def loss_step(self) -> Callable:
    """For `parallel_eval_step`."""
    return steps.make_loss_step(self.make_loss(training=False))

  def make_loss(self, *, training: bool) -> steps.Loss:
    """The loss, to be differentiated or only evaluated."""
    return self.task.make_loss(self.model, self.config.train, training=training)

  def fresh_state(self) -> TrainState:
    """A state of fresh parameters."""
    init = functools.partial(
      self.model.networks.init, arrays=self.arrays['train']
    )
    return create_state(init, self.optimizer, self.config.train.seed)

  def batches(
    self, split: str, limit: int | None = None
  ) -> Iterator[dict[str, np.ndarray]]:
    """Batches of this process; 'train' without end, others once and in order.

    Args:
      split: 'train', whose position can be saved (`get_state`), or 'heldout'.
      limit: At most so many batches, of 'heldout'.
    """
    config, train = self.config, split == 'train'
    batches = data.batches(
      self.arrays[split],
      batch_size=config.train.batch_size,
      seed=config.train.seed if train else None,
      num_epochs=None if train else 1,
      origins=config.data.origins if train else 1,
      share=data.Share(
        num_devices=jax.local_device_count(),
        process_index=jax.process_index(),
        process_count=jax.process_count(),
      ),
    )
    return batches if train else itertools.islice(batches, limit)


def set_up(config: ml_collections.ConfigDict, task: Trainable) -> Run:
  """Reads the data and makes the model of a config.

  Args:
    config: See `experiments/base.py`.
    task: The task of the config.

  Raises:
    ValueError: If fields are at odds, naming them.
  """
  model = task.make_model(config.model)
  optimizer = make_optimizer(config.train)
  arrays, refused = {}, {}
  for split in _SPLITS:
    arrays[split], refused[split] = _load(config, model, split)
  if not len(arrays['train']['numbers']):
    raise ValueError(
      f'No crystal of {config.data.builder} is left to train on; the log says '
      'which were left out, and why.'
    )
  if not len(arrays['heldout']['numbers']):
    _log.warning('No crystal is held out: nothing is said of unseen ones.')
    del arrays['heldout']
  representation = model.representation.sized(*arrays.values())
  model = dataclasses.replace(model, representation=representation)
  return Run(config, task, model, arrays, refused, optimizer)


def describe(run: Run) -> None:
  """Logs the size of the data and of the networks."""
  for split, arrays in run.arrays.items():
    _log.info('%s: %d crystals.', split, len(arrays['numbers']))
  networks = run.model.networks
  params = jax.eval_shape(networks.init, jax.random.key(0))
  for name, tree in params.items():
    count = sum(leaf.size for leaf in jax.tree.leaves(tree))
    _log.info('%s: %.3g million parameters.', name, count / 1e6)
  _log.info('Latent: %s.', networks.latent_shape)
  one = {
    name: jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    for name, shape in run.model.representation.input_shapes.items()
  }
  forward = jax.jit(networks.predict).lower(params, one)
  cost = forward.cost_analysis() or {}
  _log.info(
    'Forward: %.3g GFLOP an example.', cost.get('flops', float('nan')) / 1e9
  )


def _load(config, model, split) -> tuple[data.Arrays, int]:
  """A split's crystals, and how many are left out; says which, and why."""
  of, shown = config.data, model.representation
  options = {
    'data_dir': of.data_dir or None,
    'manual_dir': of.manual_dir or None,
    'elements': of.elements,
    'min_atoms': of.min_atoms,
    'max_atoms': of.max_atoms,
    'max_e_above_hull': of.max_e_above_hull,
    'box_length': of.box_length,
  }
  weights = of.weights if split == 'train' else ()
  where = of.builder, of[f'{split}_split']
  if of.in_place:
    arrays, dropped = data.load_in_place(
      of.in_place, *where, shown.prepare, key=repr(shown), weights=weights,
      **options,
    )  # fmt: skip
  else:
    arrays, dropped = data.load_inputs(
      *where, shown.prepare, weights=weights, **options
    )
  if dropped:
    _log.info(
      '%s: %d crystals cannot be shown to this model and are left out:\n%s',
      split,
      len(dropped),
      '\n'.join(f'  {name}: {reason}' for name, reason in dropped),
    )
  return arrays, len(dropped)
