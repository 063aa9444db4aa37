"""Whatever is written comes back: any cell, any species, any position."""

import dataclasses
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np

import crystal_jax as cj
from crystal_jax.structure import validation
from tests import reference


@st.composite
def any_crystals(draw):
  """Crystals whose atoms are on distinct sites of a coarse grid, moved."""
  lengths = [draw(st.floats(3.0, 30.0)) for _ in range(3)]
  angles = [draw(st.floats(50.0, 130.0)) for _ in range(3)]
  cosines = np.cos(np.radians(angles))
  hypothesis.assume(1 - (cosines**2).sum() + 2 * cosines.prod() > 0.1)
  rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
  turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))  # Half are left-handed.
  cell = reference.triclinic(lengths, angles) @ turn
  sites = draw(st.sets(st.tuples(*[st.integers(0, 2)] * 3), min_size=1))
  numbers = np.array([draw(st.integers(1, 94)) for _ in sites], np.int32)
  fractional = (np.array([*sites]) + rng.uniform(0, 0.4, (len(sites), 3))) / 3
  fractional += rng.integers(-2, 3, (len(sites), 3))  # Outside the cell too.
  crystal = cj.Crystal(numbers, fractional @ cell, cell)
  # Atoms that are all too near or too far are refused: other units than Å.
  hypothesis.assume(not validation._other_unit(*dataclasses.astuple(crystal)))
  return crystal


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(
  crystal=any_crystals(), suffix=st.sampled_from(('cif', 'vasp'))
)
def test_a_file_gives_the_crystal_back(crystal, suffix):
  with tempfile.TemporaryDirectory() as folder:
    path = f'{folder}/x.{suffix}'
    cj.write(path, crystal)
    again = cj.read(path)
  np.testing.assert_array_equal(again.numbers, crystal.numbers)
  # A CIF has no orientation, and both negate left-handed vectors.
  np.testing.assert_allclose(
    again.cell @ again.cell.T,
    crystal.cell @ crystal.cell.T,
    rtol=1e-5,
    atol=1e-6,
  )
  assert np.linalg.det(again.cell) > 0
  sign = np.sign(np.linalg.det(crystal.cell))
  moved = again.positions @ np.linalg.inv(again.cell)
  moved -= sign * (crystal.positions @ np.linalg.inv(crystal.cell))
  moved -= np.round(moved)
  assert np.abs(moved @ again.cell).max() < 1e-4
