"""A latent is of the crystal, not of how it is written down."""

import ase
import ase.build
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crystal_jax as cj
from tests import codecs, crystals

STRUCTURE = pytest.importorskip('pymatgen.core').Structure


@pytest.fixture(scope='module')
def perfect():
  return codecs.through()


def test_three_libraries_give_one_latent(perfect):
  crystal = crystals.perovskite()
  structure = STRUCTURE(
    crystal.cell,
    [ase.data.chemical_symbols[z] for z in crystal.numbers],
    crystal.positions,
    coords_are_cartesian=True,
  )
  charged = structure.copy().add_oxidation_state_by_guess() or structure
  z = perfect.encode([crystal, crystal.to_ase(), structure, charged])
  for other in z[1:]:
    np.testing.assert_array_equal(other, z[0])
  for alone in crystal, crystal.to_ase(), structure:
    assert perfect.encode(alone).shape == (1, perfect.size)


@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_latent_depends_on_the_crystal_alone(perfect, data):
  """Supercell, basis, origin and order of the atoms do not matter."""
  kinds = crystals.perovskite, crystals.wurtzite
  crystal = data.draw(st.sampled_from([*kinds, crystals.bcc]))()
  matrix = data.draw(st.sampled_from(BASES))
  origin = data.draw(st.tuples(*[st.floats(-9, 9)] * 3))
  atoms = crystal.to_ase().repeat(data.draw(st.sampled_from(REPEATS)))
  order = data.draw(st.permutations(range(len(atoms))))
  atoms = atoms[order]
  other = cj.Crystal(
    atoms.numbers, atoms.positions + origin, matrix @ atoms.cell[:]
  )
  z = perfect.encode([crystal, other])
  np.testing.assert_allclose(z[1], z[0], atol=2e-4)


REPEATS = (1, 1, 1), (2, 1, 1), (1, 1, 2)
BASES = [
  matrix
  for matrix in np.random.default_rng(0).integers(-2, 3, (400, 3, 3))
  if round(np.linalg.det(matrix)) == 1
]
