"""The priors that come with codecs: what they draw."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.generation import checks
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.elements import number

# A formula of each codec's kind, and the atoms of its cell.
ASKED = {
  'mp_20': ('NaCl', 2),
  'perov_5': ('SrTiO3', 5),
  'carbon_24': ('C', 6),
}
NAMES = [
  'mp_20',
  pytest.param('perov_5', marks=pytest.mark.slow),
  pytest.param('carbon_24', marks=pytest.mark.slow),
]


@pytest.mark.parametrize('name', NAMES)
def test_a_shipped_prior_draws_what_is_asked(name):
  codec = cj.Codec.load(name)
  formula, atoms = ASKED[name]
  found = codec.sample(8, composition=formula, num_atoms=atoms)
  there = [crystal for crystal in found if crystal is not None]
  assert len(there) == 8, codec.failures
  assert len({unit_of(c.numbers) for c in there}) == 1
  assert all(len(c.numbers) == atoms for c in there)
  # No two atoms overlap, and volumes are of solids.
  assert min(checks.closest(c) for c in there) > 1.0
  volumes = [abs(np.linalg.det(c.cell)) / atoms for c in there]
  assert 4 < np.median(volumes) < 40


@pytest.mark.parametrize('name', NAMES)
def test_free_draws_have_elements_of_the_codec(name):
  codec = cj.Codec.load(name)
  known = {number(symbol) for symbol in codec.describe()['elements']}
  there = [c for c in codec.sample(8, seed=1) if c is not None]
  assert len(there) >= 7
  assert all(set(c.numbers.tolist()) <= known for c in there)
