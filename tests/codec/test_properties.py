"""`Codec.predict`, `fit_head`, `nearest` and `optimize`, and their commands."""

import csv

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.codec.card import fingerprints
from crystal_jax.codec.codec import Codec
from tests import codecs

PROPERTIES = (
  'element_fractions',
  'crystal_system',
  'num_atoms',
  'volume_per_atom',
)


def salts():
  """Rocksalts of twelve formulas, each in its primitive cell."""
  found = []
  for i, cation in enumerate((3, 11, 19, 37)):
    for j, anion in enumerate((9, 17, 35)):
      cell = (2.1 + 0.2 * i + 0.15 * j) * (np.ones((3, 3)) - np.eye(3))
      positions = np.stack([np.zeros(3), cell.sum(0) / 2])
      found.append(cj.Crystal(np.array([cation, anion]), positions, cell))
  return found


@pytest.fixture(scope='module')
def crystals():
  return salts()


@pytest.fixture
def codec():
  """A codec with heads, random ones."""
  made = codecs.untrained(properties=PROPERTIES)
  params = dict(made.params)
  params['properties'] = jax.tree.map(
    lambda x: x + 0.1 * jax.random.normal(jax.random.key(0), x.shape),
    params['properties'],
  )
  card = {**made.describe(), 'fingerprint': fingerprints(params)[0]}
  return Codec(made.model, params, card)


def test_predict_of_crystals_is_that_of_their_latents(codec, crystals):
  table = codec.predict(crystals, std=True)
  alone = codec.predict(codec.encode(crystals))
  assert set(table) - set(alone) == {'num_atoms_std', 'volume_per_atom_std'}
  for name, values in alone.items():
    assert values.shape == (len(crystals),)
    np.testing.assert_allclose(values, table[name], rtol=1e-5)
  units = {n: p['units'] for n, p in codec.describe()['properties'].items()}
  assert set(units) | {'crystal_system_probability'} == set(alone)
  assert units['volume_per_atom'] == 'Å³/atom'
  assert units['crystal_system'].startswith('index of triclinic, ')
  with pytest.raises(ValueError, match='no posterior'):
    codec.predict(codec.encode(crystals), std=True)


def test_a_crystal_that_cannot_be_encoded_has_no_properties(codec, crystals):
  far = cj.Crystal(np.array([118]), np.zeros((1, 3)), 3 * np.eye(3))
  with pytest.raises(ValueError, match='Crystal 1'):
    codec.predict([crystals[0], far])
  table = codec.predict([crystals[0], far], skip=True)
  assert list(codec.failures) == [1]
  for values in table.values():
    np.testing.assert_array_equal(np.isfinite(values), [True, False])


def test_without_heads_it_says_how_to_get_one(crystals):
  with pytest.raises(ValueError, match='fit_head'):
    codecs.untrained().predict(crystals)


def test_a_fitted_head_is_saved_with_the_codec(codec, crystals, tmp_path):
  z = codec.encode(crystals)
  values = 3.0 * z[:, 0] - z[:, 5] + 1.0
  values[2] = np.nan
  before = codec.describe()['fingerprint']
  report = codec.fit_head(crystals, values, name='mine', units='GPa')
  assert report.crystals == 11
  codec.save(tmp_path / 'codec', dtype='float32')
  again = Codec.load(tmp_path / 'codec')
  assert again.describe()['fingerprint'] == before
  assert again.describe()['properties']['mine']['units'] == 'GPa'
  np.testing.assert_allclose(
    again.predict(crystals)['mine'], codec.predict(crystals)['mine'], rtol=1e-5
  )
  np.testing.assert_allclose(again.encode(crystals), z, atol=1e-6)
  with pytest.raises(ValueError, match='take another'):
    codec.fit_head(crystals, values, name='num_atoms')


@pytest.mark.slow
def test_an_iterator_of_crystals_is_read_once(codec, crystals):
  report = codec.fit_head(iter(crystals), np.arange(12.0), name='mine')
  assert report.crystals == 12
  (found,) = codec.optimize(
    iter(crystals[:1]), 'volume_per_atom', steps=1, refine='none'
  )
  assert found.crystal is not None


def test_a_crystal_is_its_own_nearest(codec, crystals):
  indices, distances = codec.nearest(crystals[3:5], crystals, k=4)
  np.testing.assert_array_equal(indices[:, 0], [3, 4])
  np.testing.assert_allclose(distances[:, 0], 0, atol=1e-4)
  assert indices.shape == distances.shape == (2, 4)


@pytest.mark.slow
def test_optimize_never_returns_what_the_head_finds_worse(codec, crystals):
  found = codec.optimize(
    crystals[:2], 'volume_per_atom', steps=2, refine='none'
  )
  for each, start in zip(found, crystals, strict=False):
    assert each.after <= each.before
    if not each.steps:
      assert each.crystal is not None
      np.testing.assert_array_equal(each.crystal.numbers, start.numbers)
  with pytest.raises(KeyError, match='num_atoms'):
    codec.optimize(crystals[:1], 'hardness')


def test_the_verbs(codec, crystals, tmp_path, capsys, in_process):
  codec.save(tmp_path / 'codec')
  rows = []
  for i, crystal in enumerate(crystals):
    cj.write(tmp_path / f'{i}.cif', crystal)
    rows.append({'file': f'{i}.cif', 'hardness': 2.0 + i})
  rows += [{'file': 'none.cif', 'hardness': 1.0}]
  table = tmp_path / 'table.csv'
  with table.open('w', newline='') as file:
    writer = csv.DictWriter(file, ['file', 'hardness'])
    writer.writeheader()
    writer.writerows(rows)
  fitted = str(tmp_path / 'fitted')
  weights = f'--weights={tmp_path / "codec"}'
  assert main(['fit-property', str(table), weights, f'--out={fitted}']) == 3
  printed = capsys.readouterr()
  assert 'element fractions, ridge' in printed.out
  assert 'none.cif' in printed.err
  out = tmp_path / 'p.csv'
  files = [str(tmp_path / f'{i}.cif') for i in range(3)]
  weights = f'--weights={fitted}'
  assert main(['predict', *files, weights, f'--out={out}']) == 0
  with out.open(newline='') as file:
    found = list(csv.DictReader(file))
  assert len(found) == 3
  assert {'id', 'hardness', 'hardness_std', 'num_atoms'} <= set(found[0])
  values = codec.predict(crystals[:3])['num_atoms']
  np.testing.assert_allclose(
    [float(row['num_atoms']) for row in found], values, rtol=0.02, atol=0.02
  )
