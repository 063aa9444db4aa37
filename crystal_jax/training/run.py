"""From a config to everything a training run needs: model, data, optimizer."""

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from crystal_jax import data
from crystal_jax.codec import model as model_lib
from crystal_jax.training import (
  box_loss,
  cell_loss,
  coded_box_loss,
  coded_terms,
  steps,
)
from crystal_jax.training.state import (
  TrainState,
  create_state,
  make_optimizer,
)

_log = logging.getLogger(__name__)

_SPLITS = ('train', 'heldout')


@dataclasses.dataclass(frozen=True)
class Run:
  """All that a config asks for, ready to be used.

  Attributes:
    config: What it was made of.
    model: What is trained.
    arrays: Padded crystals of 'train' and, if there are any, 'heldout'.
    refused: How many of each the model cannot take, beside them.
    optimizer: Of all parameters together.
  """

  config: ml_collections.ConfigDict
  model: model_lib.Model
  arrays: Mapping[str, data.Arrays]
  refused: Mapping[str, int]
  optimizer: optax.GradientTransformation

  @property
  def train_step(self) -> Callable:
    """For `parallel_train_step`."""
    loss = make_loss(self.model, self.config.train, training=True)
    return steps.make_train_step(
      loss, self.optimizer, self.config.train.ema_decay
    )

  @property
  def loss_step(self) -> Callable:
    """For `parallel_eval_step`."""
    loss = make_loss(self.model, self.config.train, training=False)
    return steps.make_loss_step(loss)

  def fresh_state(self) -> TrainState:
    """A state that has learnt nothing."""
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


def make_loss(
  model: model_lib.Model,
  config: ml_collections.ConfigDict,
  *,
  training: bool,
) -> steps.Loss:
  """The loss of a model, with the weights of `config.train`.

  Args:
    model: Its kind says which loss.
    config: `config.train`.
    training: Whether it is differentiated, or only looked at.
  """
  return LOSSES[model.kind](model, config, training)


def set_up(config: ml_collections.ConfigDict) -> Run:
  """Reads the data and builds what the config asks for.

  Raises:
    ValueError: If fields are at odds, naming them.
  """
  model = model_lib.make_model(config.model)
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
  return Run(config, model, arrays, refused, optimizer)


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


def _box_loss(model, config, training):
  weights = box_loss.LossWeights(**config.box_loss)
  return box_loss.BoxLoss(model, weights, training)


def _cell_loss(model, config, training):
  weights = coded_terms.CodedLossWeights(**config.cell_loss)
  return cell_loss.CellLoss(model, weights, training)


def _coded_box_loss(model, config, training):
  weights = coded_box_loss.CodedBoxLossWeights(**config.coded_box_loss)
  return coded_box_loss.CodedBoxLoss(model, weights, training)


# The loss of each kind of `codec.model.KINDS`: of a model, `config.train`
# and whether it is trained.
LOSSES: dict[str, Callable[..., steps.Loss]] = {
  'box': _box_loss,
  'cell': _cell_loss,
  'coded_box': _coded_box_loss,
}
