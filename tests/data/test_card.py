"""The data card: counts, space groups and histograms of a set."""

import re
import xml.etree.ElementTree

import ase.build
import ase.io
import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.__main__ import main
from crystal_jax.data import card, charts


@pytest.fixture
def prepared(tmp_path):
  (tmp_path / 'in').mkdir()
  for name, atoms in {
    'Fe': ase.build.bulk('Fe', cubic=True),
    'Cu': ase.build.bulk('Cu'),
    'NaCl<b>': ase.build.bulk('NaCl', 'rocksalt', 5.64),
  }.items():
    atoms.info['gap'] = 2.5
    ase.io.write(tmp_path / 'in' / f'{name}.extxyz', atoms)
  (tmp_path / 'in' / '<script>.cif').write_text('nothing')
  data.prepare([tmp_path / 'in'], tmp_path / 'set', workers=0)
  return tmp_path / 'set'


def test_a_prepared_folder(prepared):
  assert main(['describe', str(prepared)]) == 0
  page = (prepared / 'card.html').read_text(encoding='utf-8')
  assert '3 crystals (' in page and 'with 5 atoms' in page
  for symbol in 'Fe', 'Cu', 'Na', 'Cl':
    assert f'<title>{symbol}: 1 crystals</title>' in page
  assert '<title>Ti: 0 crystals</title>' in page
  assert 'Im-3m (229)' in page and page.count('Fm-3m (225)') == 1
  assert re.search(r'Fm-3m \(225\)</td><td class="n">2', page)
  assert 'median 2.5' in page and '&lt;script&gt;.cif' in page
  assert '<script' not in page and 'src=' not in page and 'href=' not in page
  figures = re.findall(r'<svg.*?</svg>', page, re.DOTALL)
  assert len(figures) == 7
  for figure in figures:
    xml.etree.ElementTree.fromstring(figure)
  # A card in it does not make it another data set.
  assert len(data.load(prepared, 'train')['id']) >= 1


def test_histogram_counts_everything_once():
  values = np.concatenate([np.random.default_rng(0).normal(size=500), [np.nan]])
  bars = charts.histogram(values, 'x', 'Å')
  counts = [int(n) for n in re.findall(r'to \S+: (\d+)', bars)]
  assert sum(counts) == 500 and len(counts) == 30
  assert '500 values, 1 missing' in bars
  assert '1 values' in charts.histogram([5.0], 'one')
  assert '0 values' in charts.histogram([], 'none')
  whole = charts.histogram([1, 2, 2, 4], 'atoms')
  assert re.findall(r'to \S+: (\d+)', whole) == ['1', '2', '0', '1']


def test_every_element_has_a_place_of_its_own():
  table = charts.periodic_table({'Fe': 3}, 'x')
  positions = re.findall(r'<rect x="(\d+)" y="([\d.]+)"', table)
  assert len(positions) == len(set(positions)) == 94


def test_no_crystals_is_an_error(tmp_path):
  with pytest.raises(ValueError, match='has no crystals'):
    card.write(tmp_path / 'x.html', 'x', {})
