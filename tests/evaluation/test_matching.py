"""Crystals that came back, against hand-made cases."""

import math

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation import match_summary, matching, validity
from tests import crystals

pytest.importorskip('pymatgen')


def one(true, found, **options):
  (result,) = matching.compare(
    [true], [found], workers=0, progress=False, **options
  )
  return result


def moved(crystal, atom, by):
  positions = np.array(crystal.positions)
  positions[atom] += by
  return cj.Crystal(crystal.numbers, positions, crystal.cell)


def stretched(crystal, matrix):
  return cj.Crystal(
    crystal.numbers, crystal.positions @ matrix, crystal.cell @ matrix
  )


@pytest.fixture
def low():
  """Low symmetry: nothing of it maps to itself by chance."""
  return crystals.silicate()


@pytest.mark.parametrize('make', crystals.ALL)
def test_a_crystal_in_another_description_matches(make):
  crystal = make()
  atoms = crystal.to_ase()
  atoms.translate([0.3, 0.1, 0.7])
  atoms.rotate(40, [1, 2, 3], rotate_cell=True)
  atoms = ase.build.make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
  order = np.random.default_rng(0).permutation(len(atoms))
  other = cj.Crystal.from_ase(atoms[order])
  result = one(crystal, other.pad(len(atoms) + 3))
  assert result.match and result.strict
  assert result.formula_exact and result.count_exact
  assert result.rmse < 1e-5
  assert result.volume_error < 1e-6
  assert result.length_error < 1e-5 and result.angle_error < 1e-3
  assert not result.reason


def test_a_swapped_species(low):
  numbers = np.array(low.numbers)
  numbers[np.argmax(numbers == 14)] = 32
  result = one(low, cj.Crystal(numbers, low.positions, low.cell))
  assert not result.match and not result.strict and not result.formula_exact
  assert result.count_exact and result.reason == 'species'
  assert math.isnan(result.rmse)


def test_atoms_in_other_places():
  true = crystals.layered()
  positions = np.array(true.positions)
  positions[:, 2] *= 0.3  # All layers within a third of the cell.
  result = one(true, cj.Crystal(true.numbers, positions, true.cell))
  assert not result.match and result.formula_exact and result.count_exact
  assert result.reason == 'positions'


def test_an_atom_missing(low):
  result = one(
    low,
    cj.Crystal(low.numbers[:-1], low.positions[:-1], low.cell),
  )
  assert not result.match and not result.count_exact
  assert result.reason == 'count'


def test_an_atom_moved(low):
  by = 0.3
  result = one(low, moved(low, 3, [by, 0, 0]))
  assert result.match and not result.strict
  # One of N atoms is off; the others share what the mean takes away.
  n = low.num_atoms
  size = (abs(np.linalg.det(low.cell)) / n) ** (1 / 3)
  rms = by * np.sqrt((1 - 1 / n) / n) / size
  np.testing.assert_allclose(result.rmse, rms, rtol=1e-3)


def test_a_larger_volume_matches_loosely_only(low):
  result = one(low, stretched(low, 1.5 ** (1 / 3) * np.eye(3)))
  assert result.match and not result.strict
  assert result.rmse < 1e-5
  assert result.volume_error == pytest.approx(0.5)
  assert result.length_error == pytest.approx(1.5 ** (1 / 3) - 1)


@pytest.mark.parametrize('by, strict', [(0.005, True), (0.02, False)])
def test_errors_of_a_longer_cell(by, strict):
  true = crystals.perovskite()
  result = one(true, stretched(true, np.diag([1 + by, 1, 1])))
  assert result.match and result.strict is strict
  assert result.length_error == pytest.approx(by)
  assert result.angle_error == pytest.approx(0, abs=1e-5)


def test_a_skewed_cell_is_no_strict_match():
  true = crystals.perovskite()
  shear = np.eye(3)
  shear[1, 0] = np.tan(np.radians(1.5))
  result = one(true, stretched(true, shear))
  assert result.match and not result.strict
  assert result.angle_error == pytest.approx(1.5, abs=0.01)


def test_a_wrong_lattice_is_a_miss():
  true = crystals.perovskite()
  result = one(true, stretched(true, np.diag([1.6, 1, 0.6])))
  assert not result.match and result.reason == 'lattice'


def test_a_mirror_image_is_not_told_apart(low):
  assert one(low, stretched(low, np.diag([1, 1, -1]))).strict


@pytest.mark.parametrize(
  'found, reason',
  [(None, 'no crystal'), ('no atom', 'no crystal'), ('refused: 90', 'refused')],
)
def test_a_missing_crystal_is_a_miss(found, reason):
  result = one(crystals.bcc(), found)
  assert not result.match and result.reason == reason
  assert result.detail == (found or '')


def test_what_cannot_be_compared_is_a_miss():
  true = crystals.bcc()
  flat = cj.Crystal(true.numbers, true.positions, np.zeros((3, 3)))
  result = one(true, flat)
  assert not result.match and result.reason == 'failed'
  assert 'raised' in result.detail


def test_in_processes_it_is_the_same():
  all_crystals = [make() for make in crystals.ALL] * 6
  found = all_crystals[:-1] + ['nothing there']
  here = matching.compare(all_crystals, found, workers=0, progress=False)
  there = matching.compare(all_crystals, found, workers=2, progress=False)
  assert [r.reason for r in here] == [''] * 35 + ['no crystal']
  for a, b in zip(map(vars, here), map(vars, there), strict=True):
    for name, value in a.items():
      if isinstance(value, float):  # Another process may round differently.
        np.testing.assert_allclose(value, b[name], atol=1e-12)
      else:
        assert value == b[name]


def test_columns_are_compared_each_by_itself():
  one, other = crystals.bcc(), crystals.perovskite()
  compared = matching.compare_columns(
    {'same': ([one, other], [one, other]), 'none': ([], []),
     'else': ([one], [other])},
    workers=0, progress=False,
  )  # fmt: skip
  reasons = {name: [c.reason for c in each] for name, each in compared.items()}
  assert reasons == {'same': ['', ''], 'none': [], 'else': ['count']}


def test_true_and_found_need_one_length():
  with pytest.raises(ValueError, match='Got 1 true and 0 decoded'):
    matching.compare([crystals.bcc()], [])


def test_summary():
  right = matching.Comparison(
    match=True, rmse=0.01, strict=True, formula_exact=True, count_exact=True,
    volume_error=0.0, length_error=0.01, angle_error=0.5,
    valid_true=True, valid_found=False,
  )  # fmt: skip
  other = matching.Comparison(
    match=True, rmse=0.04, valid_true=True, valid_found=True
  )
  lost = matching.Comparison(
    valid_true=False, valid_found=False, reason='no crystal'
  )
  summary = match_summary.summarize([right, other, lost, lost])
  assert summary['crystals'] == 4
  assert summary['match'] == 0.5 and summary['strict'] == 0.25
  assert summary['rmse'] == pytest.approx(0.025)
  assert summary['length_error'] == 0.01
  assert summary['match_gated'] == 0.25
  assert summary['valid_true'] == 0.5 and summary['valid_found'] == 0.25
  assert summary['missed_no_crystal'] == 0.5
  assert summary['missed_species'] == 0


def test_the_interval_is_wilsons():
  hit, miss = matching.Comparison(match=True), matching.Comparison()
  summary = match_summary.summarize([hit] * 81 + [miss] * 182)
  # Newcombe (1998), table I, the first example, 81 of 263.
  interval = summary['match_low'], summary['match_high']
  assert tuple(round(x, 4) for x in interval) == (0.2553, 0.3662)


def test_no_gated_columns_without_a_gate(monkeypatch, caplog):
  monkeypatch.setattr(validity, 'has_smact', lambda: False)
  result = one(crystals.bcc(), crystals.bcc(), gate=True)
  assert result.valid_true is None
  assert 'gated columns are left out' in caplog.text
  assert 'match_gated' not in match_summary.summarize([result])


def test_nothing_to_summarize():
  with pytest.raises(ValueError, match='at least one'):
    match_summary.summarize([])


def test_gate():
  pytest.importorskip('smact')
  true = crystals.perovskite()
  result = one(true, true, gate=True)
  assert result.valid_true is True and result.valid_found is True
  near = moved(true, 0, [1.6, 1.6, 1.6])  # 0.6 Å from Ti.
  assert one(true, near, gate=True).valid_found is True
  near = moved(true, 0, [1.7, 1.7, 1.7])
  assert one(true, near, gate=True).valid_found is False
  assert one(true, None, gate=True).valid_found is False


@pytest.mark.parametrize(
  'symbols, counts, valid',
  [
    (['Na', 'Cl'], [1, 1], True),
    (['Na', 'Cl'], [1, 3], False),
    (['Si'], [1], True),
    (['Cu', 'Zn'], [5, 8], True),
    (['Na', 'K', 'F'], [1, 1, 1], False),
  ],
)
def test_charges_balance(symbols, counts, valid):
  pytest.importorskip('smact')
  assert validity.is_charge_balanced(symbols, counts) is valid
