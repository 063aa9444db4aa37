"""Coordination fingerprints of ideal polyhedra, and of matminer."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation.samples import coordination, order_parameters
from tests import crystals

pytest.importorskip('pymatgen')


def values_by_coordination_number(atoms):
  """Fingerprint of the first atom, split by coordination number.

  Of each number: its likelihood, and that times each motif's parameter.
  """
  values = coordination.fingerprint(cj.Crystal.from_ase(atoms), [0])[0]
  split, start = {}, 0
  for number in range(1, 25):
    size = 1 + len(order_parameters.MOTIFS.get(number, ()))
    split[number] = values[start : start + size]
    start += size
  assert start == len(values) == 61  # As many as matminer has.
  return split


@pytest.mark.parametrize(
  ('atoms', 'number', 'motif'),
  [
    (ase.build.bulk('NaCl', 'rocksalt', a=5.64), 6, 1),  # Octahedron.
    (ase.build.bulk('Si', 'diamond', a=5.43), 4, 1),  # Tetrahedron.
    (ase.build.bulk('Cu', 'fcc', a=3.61), 12, 0),  # Cuboctahedron.
    (ase.build.bulk('CsCl', 'cesiumchloride', a=4.12), 8, 0),  # Cube.
  ],
)
def test_the_parameter_of_an_ideal_polyhedron_is_one(atoms, number, motif):
  likelihood, *values = values_by_coordination_number(atoms)[number]
  assert likelihood > 0.85
  assert values[motif] == pytest.approx(likelihood, abs=0.03)
  if number < 9:  # Of more neighbours, the others are Steinhardt parameters.
    other_values = [value for k, value in enumerate(values) if k != motif]
    assert all(value < 0.8 * likelihood for value in other_values)


def test_steinhardt_parameters_of_a_close_packing():
  copper = ase.build.bulk('Cu', 'fcc', a=3.61)
  likelihood, _, q2, q4, q6 = values_by_coordination_number(copper)[12]
  # Steinhardt et al. (1983), table I.
  ideal = [0, 0.19094, 0.57452]
  np.testing.assert_allclose(
    [q2, q4, q6], likelihood * np.array(ideal), atol=1e-4
  )


def test_an_isolated_atom_has_no_neighbour_and_a_dimer_has_one():
  isolated = values_by_coordination_number(ase.build.bulk('Ar', 'fcc', a=9.0))
  assert all(values[0] == 0 for values in isolated.values())
  dimer = ase.Atoms('N2', [[0, 0, 0], [0, 0, 1.1]], cell=[8.0] * 3, pbc=True)
  likelihood, value = values_by_coordination_number(dimer)[1]
  assert likelihood == value == pytest.approx(1)


def test_order_parameters_do_not_depend_on_the_rotation():
  generator = np.random.default_rng(0)
  rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
  for number, motifs in order_parameters.MOTIFS.items():
    vectors = generator.normal(size=(number, 3))
    first, second = (
      [motif(order_parameters.angles(v)) for motif in motifs]
      for v in (vectors, 1.7 * vectors @ rotation)
    )
    np.testing.assert_allclose(first, second, atol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::UserWarning')  # Of pymatgen's CrystalNN.
def test_fingerprints_equal_those_of_matminer():
  """On symmetric crystals, and on the same after random displacements."""
  pytest.importorskip('matminer')
  from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

  from crystal_jax.evaluation.published_matcher import to_structure

  featurizer = CrystalNNFingerprint.from_preset('ops')
  generator = np.random.default_rng(0)
  symmetric = [
    crystals.perovskite(), crystals.wurtzite(), crystals.hydride(),
    crystals.layered(), crystals.bcc(),
  ]  # fmt: skip
  for crystal in symmetric:
    noise = generator.normal(scale=0.1, size=np.shape(crystal.positions))
    displaced = cj.Crystal(
      crystal.numbers, crystal.positions + noise, crystal.cell
    )
    for each in crystal, displaced:
      structure = to_structure(each)
      atoms = range(len(structure))
      np.testing.assert_allclose(
        coordination.fingerprint(each, atoms),
        [featurizer.featurize(structure, atom) for atom in atoms],
        atol=1e-6,
      )
