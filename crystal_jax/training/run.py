"""From a config to everything a run needs: data, networks, steps.

This is the one place where a config's fields meet the functions that use them.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from crystal_jax import data, lattice
from crystal_jax.density import image_counts, images
from crystal_jax.density.grids import BoxGrid, Grid
from crystal_jax.representation import fits
from crystal_jax.training import build, steps
from crystal_jax.training.examples import ExampleMaker
from crystal_jax.training.state import (
  TrainState,
  create_state,
  make_optimizer,
)

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Run:
  """All that a config asks for, ready to be used.

  Attributes:
    config: What it was made of.
    networks: Those to train.
    examples: Makes training examples of atoms.
    weights: Of the loss terms.
    optimizer: Of all parameters together.
    schedule: Step to learning rate.
    arrays: Padded crystals of 'train' and 'heldout'.
  """

  config: ml_collections.ConfigDict
  networks: steps.Networks
  examples: ExampleMaker
  weights: steps.LossWeights
  optimizer: optax.GradientTransformation
  schedule: optax.Schedule
  arrays: Mapping[str, data.Arrays]

  @property
  def grid(self) -> Grid:
    """Where densities are sampled."""
    return self.examples.grid

  @property
  def train_step(self) -> Callable:
    """For `parallel_train_step`."""
    return steps.make_train_step(
      self.networks,
      self.weights,
      self.examples,
      self.optimizer,
      self.config.train.ema_decay,
    )

  @property
  def loss_step(self) -> Callable:
    """For `parallel_eval_step`."""
    return steps.make_loss_step(self.networks, self.weights, self.examples)

  @property
  def eval_step(self) -> Callable:
    """For `parallel_eval_step`."""
    return steps.make_eval_step(self.networks, self.examples)

  def fresh_state(self) -> TrainState:
    """A state that has learnt nothing."""
    one = jnp.zeros((1, *self.grid.shape, self.num_channels))
    init = functools.partial(self.networks.init, density=one)
    return create_state(init, self.optimizer, self.config.seed)

  @property
  def num_channels(self) -> int:
    """Channels of a density."""
    return len(self.examples.channels[0])

  def batches(self, split: str, limit: int | None = None) -> 'Batches':
    """Batches of this process; 'train' without end, others once and in order.

    Args:
      split: 'train' or 'heldout'.
      limit: At most so many batches.
    """
    config, train = self.config, split == 'train'
    return Batches(self.arrays[split], config, train, limit)


class Batches(Iterator[dict[str, np.ndarray]]):
  """Batches of a grain pipeline, with the lattice target where there is one."""

  def __init__(
    self,
    arrays: data.Arrays,
    config: ml_collections.ConfigDict,
    endless: bool,
    limit: int | None = None,
  ):
    self._iterator = data.batches(
      arrays,
      batch_size=config.train.batch_size,
      num_devices=jax.local_device_count(),
      seed=config.seed,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      num_epochs=None if endless else 1,
      origins=config.data.origins if endless else 1,
      shuffle=endless,
      drop_remainder=endless,
    )
    self._lattice = arrays.get('lattice')
    self._left = limit

  def __next__(self) -> dict[str, np.ndarray]:
    if self._left is not None:
      if self._left == 0:
        raise StopIteration
      self._left -= 1
    batch = next(self._iterator)
    if self._lattice is not None:
      batch['lattice'] = self._lattice[batch['row']]
    return batch

  def get_state(self) -> dict[str, Any]:
    """The position, as JSON can hold it."""
    return self._iterator.get_state()

  def set_state(self, state: Mapping[str, Any]) -> None:
    """Goes on from a position."""
    self._iterator.set_state(dict(state))


def set_up(config: ml_collections.ConfigDict) -> Run:
  """Reads the data and builds what the config asks for.

  Raises:
    ValueError: If fields are at odds, naming them.
  """
  grid = build.make_grid(config.grid)
  arrays = {
    split: _load(config, grid, getattr(config.data, f'{split}_split'))
    for split in ('train', 'heldout')
  }
  optimizer, schedule = make_optimizer(
    learning_rate=config.train.learning_rate,
    warmup_steps=config.train.warmup_steps,
    steps=config.train.steps,
    weight_decay=config.train.weight_decay,
    clip=config.train.clip,
  )
  return Run(
    config=config,
    networks=build.make_networks(config),
    examples=ExampleMaker(
      grid=grid,
      sigma=config.grid.sigma,
      radius=config.grid.label_radius,
      filling=config.data.filling,
      max_images=config.data.max_images or _max_images(config, grid, arrays),
      turn=config.data.turn,
      channels=build.make_channels(config.data.channels),
    ),
    weights=steps.LossWeights(**config.loss),
    optimizer=optimizer,
    schedule=schedule,
    arrays=arrays,
  )


def describe(run: Run) -> None:
  """Logs the size of the data and of the networks."""
  for split, arrays in run.arrays.items():
    _log.info('%s: %d crystals.', split, len(arrays['numbers']))
  _log.info('At most %d images reach the grid.', run.examples.max_images)
  one = jax.ShapeDtypeStruct(
    (1, *run.grid.shape, run.num_channels), jnp.float32
  )
  params = jax.eval_shape(run.networks.init, jax.random.key(0), one)
  for name, tree in params.items():
    count = sum(leaf.size for leaf in jax.tree.leaves(tree))
    _log.info('%s: %.3g million parameters.', name, count / 1e6)
  forward = jax.jit(run.networks.predict).lower(params, one)
  cost = forward.cost_analysis() or {}
  _log.info(
    'Forward: %.3g GFLOP an example.', cost.get('flops', float('nan')) / 1e9
  )


def _load(config, grid, split) -> data.Arrays:
  """A split's crystals; says which are left out, and why."""
  source = data.load_split(
    config.data.builder, split, config.data.data_dir or None
  )
  arrays = data.in_memory(source, max_atoms=config.data.max_atoms)
  if isinstance(grid, BoxGrid) and config.data.filling == 'single_cell':
    arrays, dropped = fits.keep_fitting(
      arrays, length=grid.length, sigma=config.grid.sigma
    )
    if dropped:
      _log.info(
        '%s: %d crystals do not fit the box and are left out:\n%s',
        split,
        len(dropped),
        '\n'.join(f'  {name}: {reason}' for name, reason in dropped),
      )
  if config.lattice_head.enabled:
    arrays['lattice'] = np.stack(
      [
        _lattice_target(cell, (numbers > 0).sum())
        for cell, numbers in zip(arrays['cell'], arrays['numbers'], strict=True)
      ]
    )
  return arrays


def _lattice_target(cell, num_atoms):
  """Three lengths over N^(1/3) (Å) and three cosines of the Niggli cell."""
  lengths, angles = lattice.lengths_and_angles(lattice.niggli_reduce(cell))
  return np.concatenate(
    [np.asarray(lengths) / num_atoms ** (1 / 3), np.cos(np.radians(angles))]
  ).astype(np.float32)


def _max_images(config, grid, arrays) -> int:
  """Images that reach the grid in any crystal, however it is turned.

  In a box: those of the densest crystal at its mean density, and a margin for
  how unevenly they may lie. A crystal that has more after all is left out of
  its batch and counted (`overflowed`).
  """
  if isinstance(grid, BoxGrid) and config.data.filling == 'single_cell':
    return config.data.max_atoms
  most = 1
  for part in arrays.values():
    filled = part['numbers'] > 0
    if isinstance(grid, BoxGrid):
      reach = float(images.cutoff(config.grid.sigma, jnp.float32))
      volumes = np.abs(np.linalg.det(part['cell']))
      dense = (filled.sum(1) / volumes).max()
      count = 1.1 * dense * (grid.length + 2 * reach) ** 3 + 50
    else:
      # The density takes each atom once; the labels, those near the cell.
      count = 1.5 * max(
        image_counts.count_reaching(
          p[f], c, grid=grid, reach=config.grid.label_radius
        )
        for p, f, c in zip(part['positions'], filled, part['cell'], strict=True)
      )
    most = max(most, int(count))
  return image_counts.ladder(most)
