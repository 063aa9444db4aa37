"""Screening: each step drops what it should, and counts what came to it."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.generation import screening
from tests import crystals

pytest.importorskip('pymatgen')


def near():
  """A perovskite with an oxygen 0.9 Å from titanium."""
  known = crystals.perovskite()
  positions = np.array(known.positions)
  positions[2] = positions[1] + [0, 0, 0.9]
  return cj.Crystal(known.numbers, positions, known.cell)


def charged():
  """NaCl2 in the cell of a perovskite: no charges balance."""
  known = crystals.perovskite()
  numbers = np.array([11, 17, 17], np.int32)
  return cj.Crystal(numbers, 1.5 * known.positions[[0, 1, 2]], 1.5 * known.cell)


def test_each_step_drops_its_kind():
  pytest.importorskip('smact')
  moved = crystals.perovskite().to_ase()
  moved.translate([0.3, 0.2, 0.1])
  samples = [
    crystals.perovskite(), None, near(), charged(),
    cj.Crystal.from_ase(moved), crystals.wurtzite(), crystals.bcc(),
  ]  # fmt: skip
  result = screening.screen(
    samples,
    known=[crystals.wurtzite()],
    energy=lambda crystal: 'too high' if 26 in crystal.numbers else None,
  )
  assert {i: step for i, (step, _) in result.dropped.items()} == {
    2: 'distances',
    3: 'charges',
    4: 'duplicates',
    5: 'novelty',
    6: 'energy',
  }
  assert 'O and Ti are 0.90 Å apart' in result.dropped[2][1]
  assert [(s.tested, s.dropped) for s in result.steps] == [
    (6, 1), (5, 1), (4, 1), (3, 1), (2, 1),
  ]  # fmt: skip
  assert str(result.steps[0]) == 'distances: dropped 1 of 6 (16.7%)'


def test_without_known_crystals_novelty_is_left_out():
  result = screening.screen([crystals.perovskite(), None])
  assert not result.dropped
  assert 'novelty' not in {step.name for step in result.steps}


def test_known_crystals_pass_the_distances(shared_data):
  path = shared_data / 'mp_le20_val.npz'
  with np.load(path) as file:
    columns = {name: file[name] for name in ('numbers', 'frac', 'cell')}
    offsets = file['offsets'][:301]
  known = []
  for i in range(300):
    atoms = slice(offsets[i], offsets[i + 1])
    cell = columns['cell'][i].astype(np.float64)
    known.append(
      cj.Crystal(
        columns['numbers'][atoms].astype(np.int32),
        columns['frac'][atoms] @ cell,
        cell,
      )
    )
  statistics = screening.shipped()
  kept = [
    screening.too_near(c, statistics, screening.TOLERANCE) is None
    for c in known
  ]
  assert np.mean(kept) > 0.95
