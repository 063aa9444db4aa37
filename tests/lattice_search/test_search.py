"""A repeating box to a lattice to a crystal."""

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.lattice_search import assembly, box_atoms, support
from crystal_jax.structure import lattice
from tests import crystals
from tests.lattice_search.boxes import (
  BOX,
  assert_same_crystal,
  images,
  rotated,
)

SMALL = [c for c in crystals.ALL if c is not crystals.layered]


@pytest.mark.parametrize('make', SMALL, ids=lambda f: f.__name__)
@pytest.mark.parametrize('noise', [0.0, 0.02])
def test_lattice_of_atoms_at_any_rotation(make, noise):
  for seed in range(2):
    truth = rotated(make(), seed)
    atoms = images(truth, noise=noise, seed=seed)
    fit = cj.find_lattice(atoms)
    assert fit.found
    assert 0.5 <= fit.score <= 1
    assert_same_crystal(cj.assemble(atoms, fit), truth, within=0.06)


def stacked(layer, shift):
  """Two cells on one another, one atom of the upper one moved by `shift` Å."""
  cell = layer.cell * [[1], [1], [2]]
  positions = np.concatenate([layer.positions, layer.positions + layer.cell[2]])
  positions[-1] += shift
  return cj.Crystal(np.tile(layer.numbers, 2), positions, cell)


@pytest.mark.parametrize('flaw', [0.02, 0.3])
def test_pseudo_translation_with_a_small_flaw_is_none(flaw):
  truth = rotated(stacked(crystals.perovskite(), [0.0, 0.0, flaw]), seed=2)
  atoms = images(truth, noise=1e-4)
  fit = cj.find_lattice(atoms)
  assert fit.found
  assert_same_crystal(cj.assemble(atoms, fit), truth)


@pytest.mark.parametrize('make', SMALL, ids=lambda f: f.__name__)
def test_lattice_of_noisy_atoms_of_which_some_are_taken_for_a_neighbour(make):
  truth = rotated(make(), seed=3)
  atoms = images(truth, noise=0.01)
  rng = np.random.default_rng(4)
  wrong = rng.random(len(atoms.numbers)) < 0.1
  numbers = atoms.numbers + wrong * rng.choice([-1, 1], len(wrong))
  numbers = np.maximum(numbers, 1)
  atoms = cj.DecodedAtoms(**{**vars(atoms), 'numbers': numbers})
  fit = cj.find_lattice(atoms)
  assert fit.found
  times = fit.cell @ np.linalg.inv(truth.cell)  # a site seen once has no vote
  np.testing.assert_allclose(times, np.rint(times), atol=0.02)
  assert abs(round(np.linalg.det(times))) == 1


def test_light_atoms_near_the_walls_may_be_off():
  truth = rotated(crystals.hydride(), seed=1)
  atoms = images(truth)
  outside = (np.abs(atoms.positions).max(axis=1) > 4.5) & (atoms.numbers == 1)
  assert outside.any()
  noise = 0.02 * np.random.default_rng(0).normal(size=atoms.positions.shape)
  atoms = cj.DecodedAtoms(
    **{**vars(atoms), 'positions': atoms.positions + noise * outside[:, None]}
  )
  fit = cj.find_lattice(atoms)
  assert fit.found
  assert_same_crystal(cj.assemble(atoms, fit), truth)


def test_inversions_support_a_vector_that_the_box_does_not_show_twice():
  rng = np.random.default_rng(5)
  half = rng.random((10, 3))
  cell = np.diag([4.0, 4.5, 12.0])
  truth = cj.Crystal(
    np.tile(rng.integers(20, 60, 10), 2).astype(np.int32),
    (np.concatenate([half, -half]) + [0, 0, 0.25]) % 1 @ cell,
    cell,
  )
  atoms = images(truth, noise=1e-4)
  box = box_atoms.BoxAtoms.of(atoms, 0.01)
  assert support.measure(box, cell) is None
  found = support.measure(box, cell, np.array([0.0, 0.0, 6.0]))
  assert found.score(box) >= 0.5
  fit = cj.LatticeFit(found.cell, 1.0, True, found.centre)
  assert_same_crystal(cj.assemble(atoms, fit), truth)


def test_find_lattice_finds_an_inversion_and_the_vector_that_it_shows():
  rng = np.random.default_rng(220)
  half = rng.random((22, 3))
  cell = np.diag([6.1, 6.8, 10.5])  # the third repeats nowhere in the box
  centre = np.array([0.0, 0.0, 5.25])
  truth = cj.Crystal(
    np.tile(rng.integers(20, 60, 22), 2).astype(np.int32),
    np.concatenate([half @ cell, centre - half @ cell]) % np.diag(cell),
    cell,
  )
  atoms = images(truth, noise=1e-4)
  fit = cj.find_lattice(atoms)
  assert fit.found
  # All inversions of the crystal lie half a lattice vector from another.
  times = (fit.centre - centre) @ np.linalg.inv(cell)
  np.testing.assert_allclose(times, np.rint(times), atol=1e-3)
  assert_same_crystal(cj.assemble(atoms, fit), truth)


def test_box_without_a_repetition_is_not_found():
  rng = np.random.default_rng(0)
  cell = np.diag([14.0, 15.0, 16.0])
  positions = rng.random((40, 3)) @ cell
  crystal = cj.Crystal(
    rng.integers(1, 90, 40).astype(np.int32), positions, cell
  )
  atoms = images(crystal)
  fit = cj.find_lattice(atoms)
  assert not fit.found
  with pytest.raises(assembly.LatticeNotFoundError, match='No lattice'):
    cj.assemble(atoms, fit)


def test_vector_longer_than_the_box_is_not_found():
  fit = cj.find_lattice(images(rotated(crystals.layered())))
  assert not fit.found


def test_without_atoms_no_lattice_is_found():
  none = jax.tree.map(lambda x: x[:0] if x.ndim else x, images(crystals.bcc()))
  assert not cj.find_lattice(none).found


@pytest.mark.parametrize('scale', [1.0, 1.3])
def test_prior_right_or_wrong_leaves_a_clear_case_as_it_is(scale):
  truth = rotated(crystals.perovskite())
  fit = cj.find_lattice(images(truth), prior=crystals.perovskite().cell * scale)
  assert fit.found
  np.testing.assert_allclose(
    fit.cell, cj.find_lattice(images(truth)).cell, atol=1e-9
  )


@pytest.mark.slow
def test_cif_to_cif_through_a_density(tmp_path):
  """The whole way, one after another so that all share a trace."""
  for make in SMALL:
    cj.write(tmp_path / 'in.cif', make())
    truth = rotated(cj.read(tmp_path / 'in.cif'), seed=1)
    padded = truth.pad(24)
    density = cj.voxelize(
      padded.positions,
      padded.numbers,
      padded.cell,
      grid=BOX,
      sigma=0.5,
      max_images=1024,
    )
    atoms = cj.decode_density(density, grid=BOX, sigma=0.5)
    atoms = jax.tree.map(np.asarray, atoms)
    fit = cj.find_lattice(atoms, density=density, sigma=0.5)
    assert fit.found, make.__name__
    found = cj.assemble(atoms, fit)
    assert_same_crystal(found, truth)
    cj.write(tmp_path / 'out.cif', found)
    again = cj.read(tmp_path / 'out.cif')
    lengths = np.linalg.norm(lattice.niggli_reduce(again.cell), axis=1)
    expected = np.linalg.norm(lattice.niggli_reduce(truth.cell), axis=1)
    np.testing.assert_allclose(lengths, expected, rtol=1e-3)


def test_images_of_a_site_vote():
  truth = crystals.perovskite()
  atoms = images(truth)
  wrong = atoms.numbers.copy()
  wrong[np.flatnonzero(wrong == 22)[:2]] = 23
  atoms = cj.DecodedAtoms(**{**vars(atoms), 'numbers': wrong})
  assert_same_crystal(cj.assemble(atoms, truth.cell), truth)


def test_symmetrized_crystal_is_exactly_symmetric():
  truth = crystals.perovskite()
  atoms = images(truth, noise=0.01)
  crystal = cj.assemble(atoms, truth.cell, symprec=0.1)
  lengths, angles = lattice.lengths_and_angles(crystal.cell)
  np.testing.assert_allclose(angles, 90, atol=1e-4)
  np.testing.assert_allclose(lengths, 3.905, atol=0.02)
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  halves = 2 * fractional
  np.testing.assert_allclose(halves, np.rint(halves), atol=1e-4)


def test_bad_cell_is_named():
  with pytest.raises(ValueError, match='independent'):
    cj.assemble(images(crystals.bcc()), np.zeros((3, 3)))


def atoms_at(positions, numbers):
  """Decoded atoms inside the walls."""
  n = len(positions)
  return cj.DecodedAtoms(
    positions=np.array(positions, float),
    numbers=np.array(numbers),
    weights=np.array(numbers, float),
    mask=np.ones(n, bool),
    inside=np.ones(n, bool),
    residual=np.zeros(()),
    overflow=np.zeros((), bool),
  )


@pytest.mark.parametrize('skew', [0, 3])
def test_what_is_assembled_can_be_read_again(tmp_path, skew):
  """Means of images may lie nearer to one another than the images did."""
  cell = np.diag([4.0, 4.0, 4.0])
  cell[1, 0] = 4.0 * skew
  # A chain: the first two make a mean 0.38 Å from the third. The last two are
  # as near to each other as two sites may not be, over a wall.
  positions = [[0, 0, 0], [0.3, 0, 0], [0.53, 0, 0], [2, 2, 0.2], [6, -2, -0.2]]
  atoms = atoms_at(positions, [26, 26, 8, 14, 14])
  found = cj.assemble(atoms, cell)
  cj.write(tmp_path / 'out.cif', found)
  again = cj.read(tmp_path / 'out.cif')
  np.testing.assert_array_equal(sorted(again.numbers), [14, 26])
  iron = found.positions[list(found.numbers).index(26)]
  np.testing.assert_allclose(iron, [0.83 / 3, 0, 0], atol=1e-9)


def test_cell_in_which_atoms_touch_their_own_images_is_refused():
  cell = np.diag([0.3, 4.0, 4.0])
  with pytest.raises(ValueError, match='0.30 Å.*its own image'):
    cj.assemble(atoms_at([[0, 0, 0]], [6]), cell)
