"""Evenly spaced crystals of a split in full batches, and networks on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from jaxtyping import Array, Int, PyTree

from crystal_jax.codec import batching
from crystal_jax.representation import Examples
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Prediction:
  """A batch and the outputs of the networks for it.

  Attributes:
    ids: Ids of the crystals; padding rows of the batch have none.
    batch: The prepared columns.
    examples: Inputs and targets.
    outputs: Decoded from the mean of the posterior, by name.
  """

  ids: list[str]
  batch: dict[str, np.ndarray]
  examples: Examples
  outputs: Mapping[str, Array]


def predict(run: Run, state: TrainState, split: str) -> Iterator[Prediction]:
  """Yields batches of a split with the outputs of the averaged networks."""
  model, params = run.model, averaged_params(state)

  @jax.jit
  def step(params, key, batch):
    examples = model.representation.examples(key, batch)
    return examples, model.networks.predict(params, examples.inputs)

  for number, (ids, batch) in enumerate(batches(run, split)):
    key = jax.random.fold_in(jax.random.key(2), number)
    yield Prediction(ids, batch, *step(params, key, batch))


def averaged_params(state: TrainState) -> PyTree:
  """The averaged parameters, on one device."""
  return jax.tree.map(lambda x: x.addressable_data(0), state.ema)


def batches(
  run: Run, split: str
) -> Iterator[tuple[list[str], dict[str, np.ndarray]]]:
  """Yields ids and full batches of `config.eval.crystals` crystals of a split.

  They are evenly spaced in the split.
  """
  arrays, config = run.arrays[split], run.config
  rows = evenly_spaced(len(arrays['numbers']), config.eval.crystals)
  return full_batches(
    arrays, rows, config.eval.batch_size, origins=config.data.origins
  )


def evenly_spaced(size: int, number: int) -> Int[np.ndarray, 'N']:
  """Indices of at most `number` evenly spaced crystals of a split of `size`."""
  return np.linspace(0, size - 1, min(number, size)).round().astype(int)


def full_batches(
  columns: Mapping[str, np.ndarray],
  rows: np.ndarray,
  batch_size: int,
  *,
  origins: int = 1,
) -> Iterator[tuple[list[str], dict[str, np.ndarray]]]:
  """Yields ids and batches of one size; padding of the last one is masked.

  Args:
    columns: Prepared crystals, `id` among them.
    rows: Indices of the crystals.
    batch_size: Number of rows of a batch.
    origins: Number of samples of a crystal; batches cycle through them.
  """
  for start in range(0, len(rows), batch_size):
    part = rows[start : start + batch_size]
    sample = (start + np.arange(batch_size)) % origins
    batch = batching.full_batch(columns, part, batch_size, sample=sample)
    yield [str(name) for name in columns['id'][part]], batch
