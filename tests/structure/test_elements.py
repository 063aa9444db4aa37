import ase.data
import numpy as np
import pytest

from crystal_jax.structure import elements


def test_symbols_and_numbers_invert_each_other():
  for z in range(1, 119):
    assert elements.number(elements.symbol(z)) == z


@pytest.mark.parametrize(
  'species, number',
  [('Ti4+', 22), ('O2-', 8), ('D', 1), ('FE', 26), (' Fe ', 26), ('cl1-', 17)],
)
def test_species_become_numbers(species, number):
  assert elements.number(species) == number


@pytest.mark.parametrize(
  'species',
  ['', 'X', 'Xx', 'OH', '12', 'Ti?', 'Tii', 'T', 'NO3', 'PO4', 'CN-', 'NO3-'],
)
def test_unknown_species_are_named(species):
  with pytest.raises(ValueError, match='unknown species'):
    elements.number(species)


@pytest.mark.parametrize('number', [-1, 0, 119])
def test_unknown_numbers_are_named(number):
  with pytest.raises(ValueError, match=f'{number}'):
    elements.symbol(number)


def test_periodic_table():
  table = {
    'H': (1, 1), 'He': (1, 32), 'Li': (2, 1), 'Be': (2, 2), 'B': (2, 27),
    'C': (2, 28), 'Cl': (3, 31), 'Ca': (4, 2), 'Sc': (4, 17), 'Zn': (4, 26),
    'Ga': (4, 27), 'Ag': (5, 25), 'La': (6, 3), 'Yb': (6, 16), 'Lu': (6, 17),
    'Pb': (6, 28), 'Ac': (7, 3), 'Pu': (7, 8), 'Og': (7, 32),
  }  # fmt: skip
  for symbol, place in table.items():
    number = elements.number(symbol)
    assert (elements.period(number), elements.column(number)) == place, symbol


def test_channels_tell_every_element_apart():
  table = elements.channel_table()
  assert table.shape == (95, 40)
  assert table.dtype == np.float32
  assert not table[0].any()
  np.testing.assert_allclose(table[:, 0] * 30, np.arange(95), rtol=1e-6)
  np.testing.assert_array_equal(table[1:, 1:8].sum(1), 1)
  np.testing.assert_array_equal(table[1:, 8:].sum(1), 1)
  # Period and column alone are an address: no two elements share one.
  assert len(np.unique(table[1:, 1:], axis=0)) == 94
  # Columns hold elements alike: the alkali metals, the halogens.
  for group in ('LiNaKRbCsFr', 'FClBrIAt', 'CuAgAu'):
    numbers = [elements.number(symbol) for symbol in _split(group)]
    assert len({elements.column(z) for z in numbers}) == 1
  assert ase.data.chemical_symbols[94] == 'Pu'


def _split(text):
  import re

  return re.findall('[A-Z][a-z]?', text)


def test_codes_are_white_and_apart():
  codes = elements.element_codes()
  assert codes.shape == (95, 12)
  np.testing.assert_array_equal(codes[0], 0)
  np.testing.assert_array_equal(codes[1:, 0], 1)
  covariance = codes[1:].T @ codes[1:] / 94
  np.testing.assert_allclose(covariance, np.eye(12), atol=1e-12)
  distances = np.linalg.norm(codes[1:, None] - codes[None, 1:], axis=-1)
  distances += 9 * np.eye(94)
  assert distances.min() > 1.9
  nearest = {
    elements.symbol(z): elements.symbol(int(distances[z - 1].argmin()) + 1)
    for z in (3, 8, 17, 22, 82)
  }
  assert nearest == {'Li': 'Na', 'O': 'S', 'Cl': 'F', 'Ti': 'Hf', 'Pb': 'Ge'}
