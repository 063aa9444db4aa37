"""The benchmark of random frames: what is moved, and what is averaged."""

import types

import numpy as np
import pytest

from benchmarks import random_frames
from crystal_jax.codec import batching
from crystal_jax.evaluation import match_summary
from crystal_jax.representation.cell import Cell
from tests import crystals

pytest.importorskip('pymatgen')


@pytest.fixture
def run(monkeypatch):
  """Three crystals in a batch of five; the latent is the frame itself."""
  options = dict(
    size=16, sigma=0.9, max_atoms=8, closest=1.0, niggli_tolerance=0.2
  )
  true = [crystals.wurtzite(), crystals.perovskite(), crystals.bcc()]
  _, columns = batching.one_batch(Cell(**options), true)
  batch = batching.full_batch(columns, np.arange(3), 5)

  def forward(key, frames):
    latent = np.concatenate(
      [frames['fractional'].reshape(5, -1), frames['lattice']], axis=1
    )
    # A row that only fills the batch would show in the average.
    kl = np.where(np.arange(5) < 3, 1.0, 1e6)
    return types.SimpleNamespace(outputs=frames, latent=latent, kl=kl)

  def decode(frames):
    return [random_frames._crystal(frames, i) for i in range(5)]

  class Decoding(Cell):
    crystals = staticmethod(decode)

  model = types.SimpleNamespace(representation=Decoding(**options))
  predict = random_frames.predict
  monkeypatch.setattr(
    predict, 'batches', lambda run, split: [(['a', 'b', 'c'], batch)]
  )
  monkeypatch.setattr(predict, 'averaged_params', lambda state: None)
  monkeypatch.setattr(
    random_frames.reconstruction, 'make_forward', lambda model, params: forward
  )
  return types.SimpleNamespace(model=model)


def scores(run, with_random_frames):
  names = (
    'match', 'moved', 'rmse', 'rmse_moved', 'self_distance', 'other', 'nats'
  )  # fmt: skip
  row = random_frames.scores(run, None, with_random_frames)
  return dict(zip(names, row, strict=True))


@pytest.mark.slow
def test_moved_crystals_go_through_the_standard_frame(run, monkeypatch):
  row = scores(run, with_random_frames=False)
  assert row['match'] == row['moved'] == '100.0%'
  assert float(row['self_distance']) < 1e-3
  monkeypatch.setattr(
    random_frames, 'standardize_frames', lambda representation, batch: batch
  )
  assert float(scores(run, with_random_frames=False)['self_distance']) > 0.1


def test_random_frames_are_encoded_as_they_are(run):
  row = scores(run, with_random_frames=True)
  assert row['moved'] == '100.0%'  # Another frame of the same crystal.
  assert float(row['self_distance']) > 0.1


def test_rows_that_fill_a_batch_are_left_out(run, monkeypatch):
  compared = []
  summarize = match_summary.summarize
  monkeypatch.setattr(
    match_summary,
    'summarize',
    lambda rows: compared.append(len(rows)) or summarize(rows),
  )
  row = scores(run, with_random_frames=False)
  assert compared == [3, 3]
  assert row['nats'] == '1'
  # The rows that fill the batch repeat crystals: they would be the nearest.
  assert float(row['other']) > 0.1
