"""Coordination fingerprints: ideal polyhedra, and matminer's own numbers."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation.samples import coordination, order_parameters
from tests import crystals

pytest.importorskip('pymatgen')


def row(atoms, atom=0):
  found = coordination.fingerprint(cj.Crystal.from_ase(atoms), [atom])[0]
  names, start = {}, 0
  for count in range(1, 25):
    size = 1 + len(order_parameters.MOTIFS.get(count, ()))
    names[count] = found[start : start + size]
    start += size
  assert start == len(found) == 61
  return names


@pytest.mark.parametrize(
  ('atoms', 'count', 'motif'),
  [
    (ase.build.bulk('NaCl', 'rocksalt', a=5.64), 6, 1),  # Octahedron.
    (ase.build.bulk('Si', 'diamond', a=5.43), 4, 1),  # Tetrahedron.
    (ase.build.bulk('Cu', 'fcc', a=3.61), 12, 0),  # Cuboctahedron.
    (ase.build.bulk('CsCl', 'cesiumchloride', a=4.12), 8, 0),  # Cube.
  ],
)
def test_an_ideal_polyhedron_has_the_parameter_one(atoms, count, motif):
  found = row(atoms)
  share, *values = found[count]
  assert share > 0.85
  assert values[motif] == pytest.approx(share, abs=0.03)
  rest = [v for k, v in enumerate(values) if k != motif and count < 9]
  assert all(value < 0.8 * share for value in rest)


def test_steinhardt_parameters_of_a_close_packing():
  share, _, q2, q4, q6 = row(ase.build.bulk('Cu', 'fcc', a=3.61))[12]
  # Steinhardt et al. (1983), table I.
  ideal = [0, 0.19094, 0.57452]
  np.testing.assert_allclose([q2, q4, q6], share * np.array(ideal), atol=1e-4)


def test_a_lonely_atom_has_no_neighbours_and_a_pair_has_one():
  far = ase.build.bulk('Ar', 'fcc', a=9.0)
  assert all(values[0] == 0 for values in row(far).values())
  pair = ase.Atoms('N2', [[0, 0, 0], [0, 0, 1.1]], cell=[8.0] * 3, pbc=True)
  share, value = row(pair)[1]
  assert share == value == pytest.approx(1)


def test_order_parameters_do_not_depend_on_the_rotation():
  generator = np.random.default_rng(0)
  rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
  for count, motifs in order_parameters.MOTIFS.items():
    vectors = generator.normal(size=(count, 3))
    first, second = (
      [motif(order_parameters.angles(v)) for motif in motifs]
      for v in (vectors, 1.7 * vectors @ rotation)
    )
    np.testing.assert_allclose(first, second, atol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::UserWarning')  # Of pymatgen's CrystalNN.
def test_fingerprints_are_those_of_matminer():
  """Two implementations that have to agree, on crystals of no symmetry too."""
  pytest.importorskip('matminer')
  from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

  from crystal_jax.evaluation.published_matcher import to_structure

  featurizer = CrystalNNFingerprint.from_preset('ops')
  generator = np.random.default_rng(0)
  known = [
    crystals.perovskite(), crystals.wurtzite(), crystals.hydride(),
    crystals.layered(), crystals.bcc(),
  ]  # fmt: skip
  for crystal in known:
    noise = generator.normal(scale=0.1, size=np.shape(crystal.positions))
    shaken = cj.Crystal(
      crystal.numbers, crystal.positions + noise, crystal.cell
    )
    for each in crystal, shaken:
      structure = to_structure(each)
      atoms = range(len(structure))
      np.testing.assert_allclose(
        coordination.fingerprint(each, atoms),
        [featurizer.featurize(structure, atom) for atom in atoms],
        atol=1e-6,
      )
