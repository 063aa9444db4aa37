"""What the networks say of some crystals of a split, whatever the model."""

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from jaxtyping import Array

from crystal_jax.representation import Examples
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Predicted:
  """A batch, and what the networks say of it.

  Attributes:
    ids: Of the crystals; fewer than the batch where it is padded.
    batch: Their atoms, as the data set has them.
    examples: As they were shown.
    outputs: What the latent's mean decodes to, by name.
  """

  ids: list[str]
  batch: dict[str, np.ndarray]
  examples: Examples
  outputs: Mapping[str, Array]


def predict(run: Run, state: TrainState, split: str) -> Iterator[Predicted]:
  """Evenly spaced crystals of a split through the averaged networks."""
  model = run.model
  params = jax.tree.map(lambda x: x.addressable_data(0), state.ema)

  @jax.jit
  def step(params, key, batch):
    examples = model.representation.examples(key, batch)
    return examples, model.networks.predict(params, examples.inputs)

  for number, (ids, batch) in enumerate(batches(run, split)):
    key = jax.random.fold_in(jax.random.key(2), number)
    yield Predicted(ids, batch, *step(params, key, batch))


def batches(run: Run, split: str) -> Iterator[tuple[list[str], dict]]:
  """Evenly spaced crystals of a split with their ids; the last batch is full.

  The padding of the last batch is masked.
  """
  arrays, size = run.arrays[split], run.config.eval.batch_size
  number = min(run.config.eval.crystals, len(arrays['numbers']))
  rows = np.linspace(0, len(arrays['numbers']) - 1, number).round().astype(int)
  columns = {name: c for name, c in arrays.items() if name != 'id'}
  for start in range(0, number, size):
    some = rows[start : start + size]
    padded = np.resize(some, size)
    yield (
      [str(i) for i in arrays['id'][some]],
      {
        **{name: column[padded] for name, column in columns.items()},
        'index': np.arange(size, dtype=np.int32),
        'sample': (start + np.arange(size, dtype=np.int32))
        % run.config.data.origins,
        'mask': np.arange(size) < len(some),
      },
    )
