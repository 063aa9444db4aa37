r"""Training of the compositions of a prior alone, in minutes.

The velocity stays as it is. In a share of the training crystals one element is
exchanged for another (`exchanges`): a network that only sees known formulas
draws those again. Parameters with the least loss on held-out crystals are kept.

  python -m crystal_jax.generation.fit_compositions crystal_jax/weights/mp_20 \
    --train=runs/mp_le20_energies_train.npz \
    --heldout=../shared/data/mp_le20_val.npz
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
import optax
from jaxtyping import PyTree

from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation import exchanges, prior_file
from crystal_jax.generation.conditions import Conditions, DropRates
from crystal_jax.generation.loss import composition_nats
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.io.reading import compact
from crystal_jax.structure import elements

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CompositionTraining:
  """How compositions are trained; tuned on mp_le20_val.

  Attributes:
    steps: Training steps.
    batch_size: Crystals of a step.
    learning_rate: Peak of a cosine, after a tenth of the steps.
    weight_decay: Weight decay of AdamW.
    exchanged: Share of crystals in which one element is exchanged.
    evaluate_every: Steps between two held-out losses.
    drop: Shares of examples that lose a condition.
  """

  steps: int = 300
  batch_size: int = 1024
  learning_rate: float = 5e-4
  weight_decay: float = 0.05
  exchanged: float = 0.7
  evaluate_every: int = 50
  drop: DropRates = DropRates(0.1, 0.0, 0.9, 0.85)


def fit(
  networks: PriorNetworks,
  params: PyTree,
  training: Conditions,
  heldout: Conditions,
  config: CompositionTraining,
  seed: int = 0,
) -> tuple[PyTree, float]:
  """Parameters of compositions after training, and their held-out loss.

  Args:
    networks: The networks.
    params: Their parameters, from which training starts.
    training: Conditions of the training crystals.
    heldout: Conditions of crystals that are not trained on.
    config: How to train.
    seed: Seed of all random numbers.

  Returns:
    All parameters, and the nats of a held-out composition without conditions.
  """
  shares = exchanges.exchange_shares(np.asarray(training.counts).astype(int))
  schedule = optax.warmup_cosine_decay_schedule(
    0.0, config.learning_rate, config.steps // 10, config.steps
  )
  optimizer = optax.adamw(schedule, weight_decay=config.weight_decay)
  step_function = _make_step(networks, optimizer, config.drop)
  generator, key = np.random.default_rng(seed), jax.random.key(seed)
  trained = params['composition']
  state, best = optimizer.init(trained), (trained, np.inf)
  for step in range(config.steps + 1):
    if step % config.evaluate_every == 0 or step == config.steps:
      nats = float(_heldout_nats(networks, params, trained, heldout))
      _log.info('Step %d: %.3f nats held out.', step, nats)
      best = min(best, (trained, nats), key=lambda pair: pair[1])
    if step == config.steps:
      break
    batch = _batch(generator, training, shares, config)
    key, step_key = jax.random.split(key)
    trained, state = step_function(trained, state, step_key, params, batch)
  trained, nats = best
  return {**params, 'composition': trained}, nats


def read_conditions(
  networks: PriorNetworks, params: PyTree, paths: Sequence[pathlib.Path]
) -> Conditions:
  """Conditions of the crystals of compact files that the codec can hold.

  Args:
    networks: The networks; crystals have at most their `max_atoms`.
    params: Their parameters, by whose statistics properties are standardized.
    paths: Compact files.
  """
  parts = []
  for path in paths:
    columns = compact.read_file(path)
    sizes = np.diff(columns['offsets'])
    crystal = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.zeros((len(sizes), elements.MAX_NUMBER), np.float32)
    np.add.at(counts, (crystal, columns['numbers'].astype(int) - 1), 1)
    properties = networks.standardized_properties(params, columns, len(sizes))
    found = conditions_lib.from_columns(counts, columns, properties)
    is_kept = sizes <= networks.max_atoms
    parts.append(conditions_lib.take(jax.device_get(found), is_kept))
  return Conditions(
    *(np.concatenate(each) for each in zip(*parts, strict=True))
  )


def _batch(generator, training, shares, config) -> Conditions:
  """Random crystals, a share of them with an element exchanged."""
  rows = generator.integers(len(training.counts), size=config.batch_size)
  batch = conditions_lib.take(training, rows)
  is_exchanged = generator.random(config.batch_size) < config.exchanged
  counts = np.array(batch.counts)
  counts[is_exchanged] = exchanges.exchanged(
    generator, counts[is_exchanged], shares
  )
  # Properties are those of the crystal before the exchange.
  return batch._replace(
    counts=counts,
    experimental=np.where(is_exchanged, np.nan, batch.experimental),
    properties=np.where(is_exchanged[:, None], np.nan, batch.properties),
  )


def _make_step(networks, optimizer, drop):
  @jax.jit
  def step(trained, state, key, params, batch):
    keys = jax.random.split(key, 2 * len(batch.counts))
    drop_keys, step_keys = keys[::2], keys[1::2]
    kept = conditions_lib.drop_randomly(drop_keys, batch, drop)

    def loss(trained):
      whole = {**params, 'composition': trained}
      nats = composition_nats(networks, whole, step_keys, batch, kept)
      return nats.mean()

    gradient = jax.grad(loss)(trained)
    updates, state = optimizer.update(gradient, state, trained)
    return optax.apply_updates(trained, updates), state

  return step


@functools.partial(jax.jit, static_argnames='networks')
def _heldout_nats(networks, params, trained, heldout):
  """Mean nats of compositions without conditions, at fixed random steps."""
  whole = {**params, 'composition': trained}
  count = len(heldout.counts)
  keys = jax.random.split(jax.random.key(0), count)
  nothing = conditions_lib.unconditional(count, len(networks.properties))
  return composition_nats(networks, whole, keys, heldout, nothing).mean()


def main() -> None:
  """The command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('folder', type=pathlib.Path, help='of the codec')
  parser.add_argument('--train', required=True, help='compact files, by commas')
  parser.add_argument('--heldout', required=True, type=pathlib.Path)
  for field in dataclasses.fields(CompositionTraining):
    if field.type in ('int', 'float'):
      name = '--' + field.name.replace('_', '-')
      kind = {'int': int, 'float': float}[field.type]
      parser.add_argument(name, type=kind, default=field.default)
  args = vars(parser.parse_args())
  logging.basicConfig(level=logging.INFO)
  folder, train, heldout = (
    args.pop(name) for name in ('folder', 'train', 'heldout')
  )
  networks, params, card = prior_file.read(folder)
  paths = [pathlib.Path(path) for path in train.split(',')]
  config = CompositionTraining(**args)
  params, nats = fit(
    networks,
    params,
    read_conditions(networks, params, paths),
    read_conditions(networks, params, [heldout]),
    config,
  )
  fields = dataclasses.asdict(config) | {'drop': config.drop._asdict()}
  card = {**card, 'compositions': {**fields, 'heldout_nats': round(nats, 3)}}
  prior_file.write(folder, networks, params, card)


if __name__ == '__main__':
  main()
