r"""Comparison of standard frames with random origins and bases in training.

  python -m benchmarks.random_frames --steps=800 \
    --builder=../shared/data/mp_le20

Two networks of `experiments/quickstart.py` are trained on the same crystals, in
the same order, for the same number of steps: one on standard frames, the other
on frames with a new random origin and basis (of the same metric) in each step.
Held-out crystals are then encoded and decoded, once as given and once moved
(random origin and basis). For the first network moved crystals are brought back
to their standard frames, as its codec does; for the second they are not.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.crystals_report import table
from crystal_jax import tasks
from crystal_jax.codec import batching
from crystal_jax.evaluation import (
  match_summary,
  matching,
  predict,
  reconstruction,
)
from crystal_jax.representation import frame, lattice_numbers
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training import parallel
from experiments import quickstart


def main():
  args = _arguments()
  config = quickstart.get_config()
  config.data.builder = args.builder
  config.train.steps = args.steps
  config.eval.crystals, config.eval.batch_size = args.crystals, 50
  run = tasks.set_up(config)
  rows = []
  for name, with_random_frames in (
    ('standard frames', False),
    ('random frames', True),
  ):
    state = train(run, with_random_frames)
    rows.append([name, *scores(run, state, with_random_frames)])
  head = [
    'trained on',
    'match',
    'match moved',
    'RMSE',
    'RMSE moved',
    'latent distance to itself moved',
    'to the nearest other',
    'KL (nats)',
  ]
  print(f'{args.steps} steps, {args.crystals} held-out crystals\n')
  print(table(head, rows))


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--builder', default='datasets/oqmd_icsd20')
  parser.add_argument('--steps', type=int, default=800)
  parser.add_argument('--crystals', type=int, default=200)
  return parser.parse_args()


def train(run, with_random_frames):
  """The state after training on standard frames, or on new ones each step."""
  rng = np.random.default_rng(0)
  step = parallel.parallel_train_step(run.train_step)
  state, batches = parallel.replicate(run.fresh_state()), run.train_batches()
  for _ in range(run.config.train.steps):
    batch = next(batches)
    if with_random_frames:
      batch = randomize_frames(rng, batch)
    state, _ = step(state, batch)
  return jax.block_until_ready(state)


def randomize_frames(rng, batch):
  """The same crystals with other origins and other bases of their metric."""
  batch = {name: np.array(column) for name, column in batch.items()}
  fractional = batch['fractional'].reshape(-1, *batch['fractional'].shape[-2:])
  cells = batch['cell'].reshape(-1, 3, 3)
  lattices = batch['lattice'].reshape(-1, 6)
  for i, cell in enumerate(cells.astype(np.float64)):
    basis = rng.choice(frame.similar_bases(cell))
    shifted = fractional[i] + rng.random(3)[None]
    fractional[i] = (shifted @ np.rint(np.linalg.inv(basis))) % 1.0
    cells[i] = basis @ cell
    lattices[i] = lattice_numbers.to_numbers(basis @ cell)
  return batch


def standardize_frames(representation, batch):
  """The same crystals in their standard frames, as a codec encodes them."""
  crystals = [_crystal(batch, i) for i in range(len(batch['numbers']))]
  _, standard = batching.one_batch(representation, crystals)
  return batch | standard


def scores(run, state, with_random_frames):
  """Cells of a row of the table, as text.

  Args:
    run: The run, whose held-out crystals are decoded.
    state: The trained state.
    with_random_frames: Whether moved crystals are encoded as they are.
  """
  representation = run.model.representation
  forward = reconstruction.make_forward(
    run.model, predict.averaged_params(state)
  )
  rng = np.random.default_rng(1)
  # Of the crystals as given, and of the moved ones.
  compared, latents = ([], []), ([], [])
  nats = []
  for ids, batch in predict.batches(run, 'heldout'):
    true = [_crystal(batch, i) for i in range(len(ids))]
    moved = randomize_frames(rng, batch)
    if not with_random_frames:
      moved = standardize_frames(representation, moved)
    for i, columns in enumerate((batch, moved)):
      result = forward(jax.random.key(0), columns)
      # Rows after the ids only fill the batch.
      decoded = representation.crystals(result.outputs)[: len(ids)]
      compared[i].extend(matching.compare(true, decoded))
      latents[i].extend(np.asarray(result.latent)[: len(ids)])
      nats.extend(np.asarray(result.kl)[: len(ids)])
  as_given, as_moved = map(match_summary.summarize, compared)
  distances = cdist(latents[0], latents[1])
  self_distance = np.median(np.diag(distances))
  np.fill_diagonal(distances, np.inf)
  return [
    f'{as_given["match"]:.1%}',
    f'{as_moved["match"]:.1%}',
    f'{as_given["rmse"]:.4f}',
    f'{as_moved["rmse"]:.4f}',
    f'{self_distance:.2g}',
    f'{np.median(distances.min(axis=1)):.3g}',
    f'{np.mean(nats):.0f}',
  ]


def _crystal(batch, i):
  filled = batch['numbers'][i] > 0
  cell = batch['cell'][i].astype(np.float64)
  return Crystal(
    batch['numbers'][i][filled], batch['fractional'][i][filled] @ cell, cell
  )


if __name__ == '__main__':
  main()
