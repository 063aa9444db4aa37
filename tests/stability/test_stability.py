"""Hulls whose energies are known, and relaxations of a simple potential."""

import json
import math

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.evaluation.samples.reference import Reference
from crystal_jax.stability import scores
from crystal_jax.stability.cache import Cache, key_of
from crystal_jax.stability.calculators import load_calculator
from crystal_jax.stability.hull import Hull
from crystal_jax.stability.relaxation import RelaxConfig, relax

EMT = 'ase.calculators.emt:EMT'
COPPER = cj.Crystal.from_ase(ase.build.bulk('Cu', 'fcc', a=3.6))
GOLD = cj.Crystal.from_ase(ase.build.bulk('Au', 'fcc', a=4.07))


def alloy():
  atoms = ase.build.bulk('Cu', 'fcc', a=3.8, cubic=True)
  atoms.numbers[0] = 79
  return cj.Crystal.from_ase(atoms)


def fractions(**shares):
  row = np.zeros(95)
  for symbol, share in shares.items():
    row[ase.data.atomic_numbers[symbol]] = share
  return row


def test_the_hull_is_the_lowest_mixture():
  known = [fractions(Na=1), fractions(Cl=1), fractions(Na=0.5, Cl=0.5)]
  hull = Hull(np.array(known), np.array([-1.0, -2.0, -3.5]))
  assert hull.above([11, 17], -3.5) == pytest.approx(0)
  assert hull.above([11, 17], -3.6) == pytest.approx(-0.1)
  # Na3Cl is half sodium, half NaCl.
  assert hull.above([11, 11, 11, 17], -2.0) == pytest.approx(0.25)
  assert hull.above([11], -0.9) == pytest.approx(0.1)
  assert math.isnan(hull.above([11, 8], -1.0))
  assert math.isnan(hull.above([8, 26], -1.0))  # Neither element is known.


def test_of_a_formula_the_lowest_counts_and_elements_have_references():
  references = np.full(95, np.nan)
  references[[29, 79]] = -9.0, -3.0
  hull = Hull.of(
    [COPPER, COPPER, COPPER], np.array([-3.0, -3.5, np.nan]), references
  )
  assert hull.above([29], -3.5) == pytest.approx(0)  # Its own, not -9.
  assert hull.above([29, 79], -3.0) == pytest.approx(0.25)
  with pytest.raises(ValueError, match='2 energies for 1 known'):
    Hull.of([COPPER], np.zeros(2))


def test_a_strained_crystal_relaxes_to_the_lattice_of_its_potential():
  strained = cj.Crystal(
    COPPER.numbers, COPPER.positions, COPPER.cell * [[1.05], [0.97], [1.02]]
  )
  calculator = load_calculator(EMT)
  found = relax(strained, calculator, RelaxConfig(0.01, 200))
  assert found.converged and found.steps < 200
  cube = 4 * abs(np.linalg.det(found.crystal.cell))
  assert np.cbrt(cube) == pytest.approx(3.59, abs=0.02)  # EMT's copper, Å.
  assert not relax(strained, calculator, RelaxConfig(0.01, 1)).converged
  reason = relax(
    cj.Crystal(np.array([92]), np.zeros((1, 3)), COPPER.cell), calculator
  )
  assert 'the potential failed' in reason
  with pytest.raises(ValueError, match='No potential'):
    load_calculator('magic')


def test_results_are_kept_and_a_cut_line_is_survived(tmp_path):
  path = tmp_path / 'results' / 'r.jsonl'
  cache = Cache(path)
  cache.put('a', {'energy': 1.0})
  with open(path, 'a') as file:
    file.write('{"key": "b", "ener')
  again = Cache(path)
  assert again.get('a')['energy'] == 1.0 and again.get('b') is None
  again.put('c', {'energy': 2.0})
  assert Cache(path).get('c')['energy'] == 2.0
  assert key_of(COPPER) == key_of(COPPER.pad(1))
  assert key_of(COPPER) != key_of(GOLD) != key_of(GOLD, 'other')


def test_scores_of_stability_beside_the_held_out(tmp_path):
  pytest.importorskip('pymatgen')
  calculator = load_calculator(EMT)
  known = [COPPER, GOLD]
  energies = []
  for crystal in known:
    atoms = crystal.to_ase()
    atoms.calc = calculator
    energies.append(atoms.get_potential_energy())
  path = tmp_path / 'r.jsonl'
  stability = scores.Stability(
    np.array(energies), calculator=EMT, samples=3, cache=path,
    config=RelaxConfig(0.05, 100),
  )  # fmt: skip
  samples = [alloy(), COPPER, 'no peaks', GOLD]
  reference = Reference('metals', known, [alloy()])
  result = cj.score(
    samples, reference, coverage=False, stability=stability, workers=0
  )
  metrics = result.metrics
  assert metrics['stability_crystals'] == 3
  assert metrics['relaxed'] == pytest.approx(2 / 3)
  above = [row['above_hull'] for row in result.crystals]
  assert above[1] < 0.01 and math.isnan(above[2]) and above[3] is None
  # The alloy is novel, copper is known; both are at most 0.1 eV/atom above.
  assert above[0] < 0.1
  assert metrics['stable_0.1'] == pytest.approx(2 / 3)
  assert metrics['sun_0.1'] == pytest.approx(1 / 3)
  assert result.heldout['sun_0.1'] == 1
  assert result.to_json()['crystals'][2]['above_hull'] is None
  assert '| stable (0.1 eV/atom), unique and novel (S.U.N.) |' in result.table()
  # Nothing is relaxed twice: a potential that is not there is not asked for.
  assert len(path.read_text().splitlines()) == 2
  kept = path.read_text()
  again = scores.evaluate(samples, stability.hull(known), stability)
  assert path.read_text() == kept
  assert again[0]['above_hull'] == pytest.approx(above[0])


def test_energies_of_a_file(tmp_path):
  np.savez(tmp_path / 'e.npz', train=np.zeros(3), references=np.ones(95))
  energies, references = scores.read_energies(tmp_path / 'e.npz')
  assert len(energies) == 3 and references[8] == 1
  np.savez(tmp_path / 'f.npz', val=np.zeros(3))
  with pytest.raises(ValueError, match='no array train.*it has val'):
    scores.read_energies(tmp_path / 'f.npz')


@pytest.mark.slow
def test_chgnet_finds_rock_salt_stable_against_its_elements():
  pytest.importorskip('chgnet')
  salt = cj.Crystal.from_ase(ase.build.bulk('NaCl', 'rocksalt', a=5.6))
  found = relax(salt, load_calculator(), RelaxConfig(0.1, 50))
  assert found.energy == pytest.approx(-3.4, abs=0.2)
  assert json.dumps(found.converged)
