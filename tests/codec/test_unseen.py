"""Crystals of kinds that a codec was not trained on, by its card."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import shipped, unseen, weights_file
from tests import crystals

PEROVSKITES = {
  'name': 'p',
  'seen': {'atoms': [5, 5], 'formulas': ['ABC3', 'ABCD2']},
}
SMALL = {'seen': {'atoms': [2, 4]}}


@pytest.mark.parametrize(
  'numbers, formula',
  [
    ([38, 22, 8, 8, 8], 'ABC3'),
    ([8, 8, 8, 8, 8, 8, 26, 26, 26, 26, 0], 'A2B3'),
    ([6] * 24, 'A'),
    ([1, 2, 3, 4], 'ABCD'),
  ],
)
def test_anonymous_formula(numbers, formula):
  assert unseen.anonymous_formula(np.array(numbers)) == formula


def test_number_and_formula():
  perovskite, bcc = crystals.perovskite(), crystals.bcc()
  assert unseen.reason(perovskite, PEROVSKITES) is None
  assert unseen.reason(perovskite, {}) is None
  assert '5 atoms' in unseen.reason(perovskite, SMALL)
  assert '1 atoms' in unseen.reason(bcc, PEROVSKITES)
  # The same crystal, whatever cell it is given in.
  double = perovskite.to_ase().repeat((2, 1, 1))
  assert unseen.reason(cj.Crystal.from_ase(double), PEROVSKITES) is None
  card = {'seen': {'atoms': [5, 5], 'formulas': ['ABCD2']}}
  assert 'formula ABC3, where it has seen ABCD2' in unseen.reason(
    perovskite, card
  )


def test_the_message_names_the_first():
  gan = cj.Crystal.from_ase(ase.build.bulk('GaN', 'wurtzite', a=3.19))
  text = unseen.message([crystals.perovskite(), None, gan], PEROVSKITES)
  assert text.startswith('p was trained on no crystals like 1 of these 3')
  assert 'number 2, Ga2N2: 4 atoms' in text
  assert unseen.message([crystals.perovskite()], PEROVSKITES) is None


@pytest.mark.parametrize('name', shipped.names())
def test_shipped_cards(name):
  card = weights_file.read_card(shipped.FOLDER / name)
  entry = card.get(unseen.ENTRY)
  assert entry is None or unseen.is_valid(entry)
  for wrong in [5], {'atoms': [1]}, {'atoms': [1, 2.5]}, {'formulas': ['A']}:
    assert not unseen.is_valid(wrong)
