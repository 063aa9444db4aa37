"""The standard frame: one description, however a crystal is written down."""

import itertools

import numpy as np
import pytest
import spglib
from ase.build import bulk

from crystal_jax.representation import frame
from crystal_jax.structure import primitive
from tests import crystals


def fractional(crystal):
  return np.asarray(crystal.positions) @ np.linalg.inv(crystal.cell)


def same(a, b):
  """Whether two frames are the same numbers, up to rounding."""
  if len(a[0]) != len(b[0]) or not (np.sort(a[0]) == np.sort(b[0])).all():
    return False
  offsets = a[1][:, None] - b[1][None]
  offsets = np.abs(offsets - np.rint(offsets)).max(-1)
  offsets[a[0][:, None] != b[0][None]] = 1
  return offsets.min(1).max() < 1e-3 and np.allclose(
    a[2] @ a[2].T, b[2] @ b[2].T, atol=1e-2
  )


def rewritten(rng, numbers, coordinates, cell, *, double=False):
  """The same crystal: moved, in another basis, permuted, turned."""
  coordinates, cell = frame.random_frame(rng, coordinates, cell)
  if double:
    axis = rng.integers(3)
    cell = cell * np.where(np.arange(3) == axis, 2, 1)[:, None]
    coordinates = coordinates / np.where(np.arange(3) == axis, 2, 1)[None]
    coordinates = np.concatenate(
      [coordinates, coordinates + 0.5 * np.eye(3)[axis][None]]
    )
    numbers = np.concatenate([numbers, numbers])
  order = rng.permutation(len(numbers))
  rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
  rotation *= np.sign(np.linalg.det(rotation))
  return numbers[order], coordinates[order], cell @ rotation


@pytest.mark.parametrize('double', [False, True])
def test_every_description_has_the_same_frame(double):
  rng = np.random.default_rng(0)
  sample = crystals.embedded(60)
  agree = 0
  for crystal in sample:
    atoms = np.asarray(crystal.numbers), fractional(crystal)
    first = frame.standard_frame(*atoms, crystal.cell)
    again = frame.standard_frame(
      *rewritten(rng, *atoms, np.asarray(crystal.cell), double=double)
    )
    agree += same(first, again)
  # Near-ties that rounding decides are rare, and only cost a longer lesson.
  assert agree >= len(sample) - 1


def test_the_frame_is_the_crystal():
  """Same species at the same distances, right-handed, a lattice of its own."""
  for crystal in crystals.embedded(30):
    numbers, coordinates, cell = frame.standard_frame(
      crystal.numbers, fractional(crystal), crystal.cell
    )
    assert np.linalg.det(cell) > 0
    times = abs(np.linalg.det(crystal.cell)) / np.linalg.det(cell)
    assert times == pytest.approx(round(times))
    assert len(crystal.numbers) == len(numbers) * round(times)
    # The old lattice is a sublattice of the new one.
    old = crystal.cell @ np.linalg.inv(cell)
    np.testing.assert_allclose(old, np.rint(old), atol=1e-3)
    # Some move carries every atom onto one of its species.
    moved = np.asarray(crystal.positions) @ np.linalg.inv(cell)
    shifts = moved[np.asarray(crystal.numbers) == numbers[0]][:1] - coordinates
    shifts = shifts[numbers == numbers[0]]
    assert any(
      _covers(moved - shift[None], crystal.numbers, coordinates, numbers)
      for shift in shifts
    )


def _covers(coordinates, numbers, targets, species):
  offsets = coordinates[:, None] - targets[None]
  offsets = np.abs(offsets - np.rint(offsets)).max(-1)
  offsets[np.asarray(numbers)[:, None] != species[None]] = 1
  return bool(offsets.min(1).max() < 2e-3)


@pytest.mark.filterwarnings('ignore:Set OLD_ERROR_HANDLING')
def test_mirror_images_stay_two():
  quartz = crystals.quartz()
  coordinates = fractional(quartz)
  original = frame.standard_frame(quartz.numbers, coordinates, quartz.cell)
  mirror = np.diag([1.0, 1.0, -1.0])
  mirrored = frame.standard_frame(
    quartz.numbers, coordinates, np.asarray(quartz.cell) @ mirror
  )
  assert not same(original, mirrored)
  groups = [
    spglib.get_symmetry_dataset((cell, coordinates, numbers)).number
    for numbers, coordinates, cell in (original, mirrored)
  ]
  assert sorted(groups) == [152, 154]  # P3_1 21 and P3_2 21


def test_a_pseudo_symmetric_cell_is_kept():
  """A doubled cell whose halves differ by more than the tolerance."""
  cell = np.diag([8.0, 4.0, 4.0])
  coordinates = np.array([[0.0, 0, 0], [0.5, 0, 0]])
  species = np.array([55, 55])
  assert len(frame.standard_frame(species, coordinates, cell)[0]) == 1
  coordinates[1, 0] += 4 * primitive.SYMPREC / 8
  assert len(frame.standard_frame(species, coordinates, cell)[0]) == 2


LATTICES = {
  'fcc': bulk('Cu'),
  'bcc': bulk('Fe'),
  'hcp': bulk('Mg'),
  'rocksalt': bulk('NaCl', 'rocksalt', a=5.64),
  'diamond': bulk('Si'),
}


def strained(rng, atoms, size):
  """Arguments of `standard_frame` for a crystal under a random strain."""
  strain = rng.normal(size=(3, 3))
  strain = strain + strain.T
  strain = np.eye(3) + size * strain / np.linalg.norm(strain)
  return atoms.numbers, atoms.get_scaled_positions(), atoms.cell[:] @ strain


def basis_kept(rng, atoms, tolerance):
  """Whether a strain of 0.1 % leaves metric and positions nearly the same."""
  before = frame.standard_frame(
    *strained(rng, atoms, 0.0), niggli_tolerance=tolerance
  )
  after = frame.standard_frame(
    *strained(rng, atoms, 1e-3), niggli_tolerance=tolerance
  )
  metrics = [f[2] @ f[2].T for f in (before, after)]
  shift = before[1] - after[1]
  return (
    np.abs(metrics[0] - metrics[1]).max() < 0.01 * metrics[0].max()
    and np.abs(shift - np.rint(shift)).max() < 0.01
  )


@pytest.mark.parametrize('name', LATTICES)
def test_a_small_strain_keeps_the_basis(name):
  rng = np.random.default_rng(0)
  kept = [basis_kept(rng, LATTICES[name], 0.2) for _ in range(20)]
  assert all(kept)


def test_without_tolerance_a_small_strain_changes_the_basis():
  rng = np.random.default_rng(0)
  kept = [basis_kept(rng, LATTICES['fcc'], 0.0) for _ in range(20)]
  assert not all(kept)


def test_with_a_tolerance_the_frame_does_not_depend_on_the_description():
  rng = np.random.default_rng(0)
  for crystal in crystals.embedded(30):
    atoms = np.asarray(crystal.numbers), fractional(crystal)
    cell = np.asarray(crystal.cell)
    first = frame.standard_frame(*atoms, cell, niggli_tolerance=0.2)
    again = frame.standard_frame(
      *rewritten(rng, *atoms, cell), niggli_tolerance=0.2
    )
    assert same(first, again)


def test_the_frame_is_the_cell_of_spglib_and_of_pymatgen():
  """The same primitive volume, Niggli lengths and crystal, by other code."""
  pymatgen = pytest.importorskip('pymatgen.core')
  matcher = pytest.importorskip('pymatgen.analysis.structure_matcher')
  same_crystal = matcher.StructureMatcher(
    ltol=0.01, stol=0.01, angle_tol=0.1, primitive_cell=True, scale=False
  )
  rng = np.random.default_rng(1)
  for crystal in crystals.embedded(20):
    numbers, positions, cell = rewritten(
      rng,
      np.asarray(crystal.numbers),
      fractional(crystal),
      np.asarray(crystal.cell),
      double=True,
    )
    frame_numbers, frame_positions, frame_cell = frame.standard_frame(
      numbers, positions, cell
    )
    ours = pymatgen.Structure(frame_cell, frame_numbers, frame_positions)
    primitive_cell, _, species = spglib.standardize_cell(
      (cell, positions, numbers),
      to_primitive=True,
      no_idealize=True,
      symprec=primitive.SYMPREC,
    )
    assert len(frame_numbers) == len(species)
    assert abs(np.linalg.det(primitive_cell)) == pytest.approx(ours.volume)
    theirs = pymatgen.Structure(cell, numbers, positions)
    reduced = theirs.get_primitive_structure(primitive.SYMPREC)
    assert reduced.volume == pytest.approx(ours.volume)
    # Edges are continuous in the lattice; at ties angles are not.
    lengths = np.linalg.norm(frame_cell, axis=1)
    for niggli in (
      spglib.niggli_reduce(primitive_cell),
      reduced.lattice.get_niggli_reduced_lattice().matrix,
    ):
      np.testing.assert_allclose(
        np.sort(np.linalg.norm(niggli, axis=1)),
        np.sort(lengths),
        rtol=2 * frame.METRIC,
      )
    assert same_crystal.fit(ours, theirs)


def test_similar_bases_are_those_of_a_plain_search():
  for crystal in crystals.embedded(20):
    _, _, cell = frame.standard_frame(
      crystal.numbers, fractional(crystal), crystal.cell
    )
    metric = cell @ cell.T
    limits = 2 * frame.METRIC * np.sqrt(np.outer(*[np.diag(metric)] * 2))
    matrices = np.array(list(itertools.product((-1, 0, 1), repeat=9)))
    expected = [
      matrix
      for matrix in matrices.reshape(-1, 3, 3)
      if round(np.linalg.det(matrix)) == 1
      and (np.abs(matrix @ metric @ matrix.T - metric) < limits).all()
    ]
    np.testing.assert_array_equal(frame.similar_bases(cell), expected)


def test_the_frame_has_the_highest_score():
  """Scores of all candidates by their definition, one wave at a time."""
  waves, amplitudes = frame._waves()
  for crystal in crystals.embedded(8):
    numbers, coordinates, cell = frame.standard_frame(
      crystal.numbers, fractional(crystal), crystal.cell
    )

    def score(coordinates, numbers=numbers):
      total = 0.0
      for k, amplitude in zip(waves, amplitudes, strict=True):
        phases = np.exp(-2j * np.pi * coordinates @ k)
        total += (amplitude * ((numbers + 20) / 50) @ phases).real
      return total

    origins = primitive.rarest_atoms(numbers)
    scores = [
      score((coordinates - coordinates[origin]) @ np.linalg.inv(basis))
      for basis in frame.similar_bases(cell)
      for origin in origins
    ]
    assert score(coordinates) == pytest.approx(max(scores), rel=1e-4)
