"""Substitution of ions in known crystals."""

import numpy as np
import pytest
from ase.build import bulk

import crystal_jax as cj
from crystal_jax.baselines import substitution
from crystal_jax.structure import pair_statistics
from crystal_jax.structure.composition import unit_of
from tests import crystals

pytest.importorskip('pymatgen')
STATISTICS = pair_statistics.shipped()
# Oxidation states of SrTiO3 by atomic number.
PEROVSKITE_CHARGES = {38: 2, 22: 4, 8: -2}


def test_oxidation_states_of_an_ionic_crystal_and_of_an_alloy():
  states = substitution.oxidation_states(unit_of(crystals.perovskite().numbers))
  assert states == PEROVSKITE_CHARGES
  assert substitution.oxidation_states(((26, 1), (22, 1))) is None


def test_an_ion_is_exchanged_for_one_of_its_charge():
  known = crystals.perovskite()
  found = substitution.substituted_structures([known], 12, STATISTICS)
  formulas = {unit_of(c.numbers) for c in found}
  assert unit_of(known.numbers) not in formulas and len(formulas) > 3
  for crystal in found:
    new_number = dict(
      zip(known.numbers.tolist(), crystal.numbers.tolist(), strict=True)
    )
    for old, charge in PEROVSKITE_CHARGES.items():
      ions, _ = substitution._candidates((old, charge))
      assert new_number[old] in ions
    fractional = crystal.positions @ np.linalg.inv(crystal.cell)
    expected = known.positions @ np.linalg.inv(known.cell)
    np.testing.assert_allclose(fractional, expected, atol=1e-9)
    ratio = np.linalg.det(crystal.cell) / np.linalg.det(known.cell)
    expected_ratio = STATISTICS.volume(crystal.numbers)
    expected_ratio /= STATISTICS.volume(known.numbers)
    assert ratio == pytest.approx(expected_ratio)


def test_alloys_are_skipped_with_a_reason():
  (reason,) = substitution.substituted_structures(
    [crystals.bcc()], 1, STATISTICS
  )
  assert 'none of 50 known crystals has ions' in reason
  with pytest.raises(ValueError, match='Need known crystals'):
    substitution.substituted_structures([], 1, STATISTICS)


def test_one_element_is_exchanged_and_charges_balance():
  alloy = cj.Crystal.from_ase(bulk('NiAl', 'cesiumchloride', a=2.9))
  for known in alloy, crystals.perovskite():
    generator = np.random.default_rng(0)
    found = [
      substitution.exchange_one(known, generator, STATISTICS, {8, 9, 12, 17})
      for _ in range(30)
    ]
    found = [crystal for crystal in found if crystal is not None]
    assert found
    for crystal in found:
      assert substitution.oxidation_states(unit_of(crystal.numbers))
      changed = np.asarray(crystal.numbers) != np.asarray(known.numbers)
      old = set(np.asarray(known.numbers)[changed].tolist())
      new = set(np.asarray(crystal.numbers)[changed].tolist())
      assert len(old) == len(new) == 1 and new <= {8, 9, 12, 17}
      volume = STATISTICS.volume(crystal.numbers)
      ratio = volume / STATISTICS.volume(known.numbers)
      assert np.isclose(
        np.linalg.det(crystal.cell), ratio * np.linalg.det(known.cell)
      )
