"""Elements exchanged as known formulas exchange them."""

import numpy as np

from crystal_jax.generation import exchanges


def cells(*formulas):
  found = np.zeros((len(formulas), 94), int)
  for row, formula in zip(found, formulas, strict=True):
    for number, atoms in formula.items():
      row[number - 1] = atoms
  return found


KNOWN = cells(
  {11: 1, 17: 1},  # NaCl
  {19: 2, 17: 2},  # KCl, two formula units
  {3: 1, 17: 1},  # LiCl
  {11: 1, 35: 1},  # NaBr
  {20: 1, 17: 2},  # CaCl2: no other formula differs in one element
)


def test_elements_that_differ_in_one_formula_are_exchanged():
  shares = exchanges.exchange_shares(KNOWN)
  assert shares[10, 18] > 0 and shares[10, 2] > 0  # Na for K or Li
  assert shares[16, 34] > 0 and shares[34, 16] > 0  # Cl for Br
  assert not shares[19].any()  # Ca
  assert (shares.sum(1) < 1 + 1e-9).all()


def test_elements_stay_as_frequent():
  rng = np.random.default_rng(0)
  known = np.zeros((400, 94), int)
  rows = np.arange(400)
  known[rows, rng.choice([2, 10, 18], 400, p=[0.6, 0.3, 0.1])] = 1
  known[rows, rng.choice([8, 16], 400, p=[0.8, 0.2])] = 1
  shares = exchanges.exchange_shares(known)
  before = np.repeat(known, 30, axis=0)
  after = exchanges.exchanged(rng, before, shares)
  assert (after != before).any(1).mean() > 0.2
  np.testing.assert_allclose(
    (after > 0).mean(0), (before > 0).mean(0), atol=0.015
  )


def test_one_element_is_exchanged_and_counts_are_kept():
  shares = exchanges.exchange_shares(KNOWN)
  before = np.repeat(KNOWN, 50, axis=0)
  after = exchanges.exchanged(np.random.default_rng(0), before, shares)
  assert (after.sum(1) == before.sum(1)).all()
  assert ((after > 0).sum(1) == (before > 0).sum(1)).all()
  assert set((after != before).sum(1).tolist()) == {0, 2}


def test_an_element_that_is_there_already_is_no_exchange():
  known = cells({3: 1, 8: 1}, {11: 1, 8: 1}, {3: 1, 11: 1, 8: 1})
  shares = exchanges.exchange_shares(known)
  mixed = np.repeat(known[2:], 30, axis=0)
  found = exchanges.exchanged(np.random.default_rng(1), mixed, shares)
  np.testing.assert_array_equal(found, mixed)
