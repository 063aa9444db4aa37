"""Scalar columns from files to batches, and batches weighted by cell size."""

import json

import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.io.reading import compact
from crystal_jax.training import run
from experiments import base
from tests.data.folders import save_many

# Band gaps of five crystals, eV; the second has none.
BAND_GAPS = np.float32([0.5, np.nan, 2.0, 3.0, 4.0])


def save_one_atom_crystals(path, ids='abcde', **scalars):
  """A compact file of one-atom crystals of H, He, .., with scalars by name."""
  count = len(ids)
  np.savez(
    path,
    numbers=np.arange(1, count + 1, dtype=np.uint8),
    frac=np.zeros((count, 3), np.float32),
    cell=np.tile(4 * np.eye(3, dtype=np.float32), (count, 1, 1)),
    offsets=np.arange(count + 1),
    ids=np.array(list(ids)),
    **scalars,
  )


def drop_third(arrays):
  """A `prepare` without scalars and third crystal, in reverse order."""
  keep = arrays['numbers'][:, 0] != 3
  dropped = [(str(id_), 'third') for id_ in arrays['id'][~keep]]
  names = 'id', 'numbers', 'cell'
  return {name: arrays[name][keep][::-1] for name in names}, dropped


@pytest.mark.parametrize('ids', ['abcde', 'aaaaa'])
@pytest.mark.parametrize('storage', ['memory', 'in_place'])
def test_scalars_stay_with_their_crystals(tmp_path, ids, storage):
  save_one_atom_crystals(
    tmp_path / 'x_train.npz', ids, band_gap=BAND_GAPS, number=np.arange(5)
  )
  options = dict(columns=('band_gap', 'number'), max_atoms=2)
  arguments = str(tmp_path / 'x'), 'train', drop_third
  if storage == 'memory':
    arrays, dropped = data.load_inputs(*arguments, **options)
  else:
    arrays, dropped = data.load_in_place(
      tmp_path / 'cache', *arguments, key='k', workers=0, **options
    )
  assert dropped == [(ids[2], 'third')]
  assert arrays['numbers'][:, 0].tolist() == [5, 4, 2, 1]
  np.testing.assert_array_equal(arrays['band_gap'], BAND_GAPS[[4, 3, 1, 0]])
  np.testing.assert_array_equal(arrays['number'], [4, 3, 1, 0])
  assert arrays['id'].tolist() == [ids[i] for i in (4, 3, 1, 0)]
  arrays = {**arrays, 'positions': np.zeros((4, 2, 3), np.float32)}
  batch = next(data.batches(arrays, batch_size=4, seed=None, num_epochs=1))
  assert batch['band_gap'].dtype == batch['number'].dtype == np.float32
  np.testing.assert_array_equal(batch['band_gap'][0], BAND_GAPS[[4, 3, 1, 0]])


def test_scalars_that_a_data_set_lacks_are_nan(tmp_path):
  save_one_atom_crystals(tmp_path / 'x_train.npz', band_gap=BAND_GAPS)
  save_one_atom_crystals(tmp_path / 'y_train.npz', year=BAND_GAPS)
  both = f'{tmp_path / "x"},{tmp_path / "y"}'
  arrays, _ = data.load_inputs(both, 'train', drop_third, columns=('band_gap',))
  np.testing.assert_array_equal(
    arrays['band_gap'], [*BAND_GAPS[[4, 3, 1, 0]], *[np.nan] * 4]
  )
  assert 'year' not in arrays


def test_scalars_that_no_data_set_has_are_an_error(tmp_path):
  save_one_atom_crystals(tmp_path / 'x_train.npz', band_gap=BAND_GAPS)
  save_one_atom_crystals(tmp_path / 'y_train.npz', year=BAND_GAPS)
  both = f'{tmp_path / "x"},{tmp_path / "y"}'
  arguments = both, 'train', drop_third
  message = r"no scalars \['energy'\].*'band_gap'"
  with pytest.raises(ValueError, match=message):
    data.load_inputs(*arguments, columns=('energy',))
  with pytest.raises(ValueError, match=message):
    data.load_in_place(
      tmp_path / 'cache', *arguments, columns=('energy',), key='k', max_atoms=1
    )


def test_add_scalars(tmp_path):
  save_one_atom_crystals(tmp_path / 'x_train.npz', band_gap=BAND_GAPS)
  energy = np.linspace(-2, 0, 5)
  out = tmp_path / 'more_train.npz'
  compact.add_scalars(tmp_path / 'x_train.npz', out, {'energy': energy})
  arrays = data.load(tmp_path / 'more', 'train')
  np.testing.assert_allclose(arrays['energy'], energy)
  np.testing.assert_array_equal(arrays['band_gap'], BAND_GAPS)
  before = data.load(tmp_path / 'x', 'train')
  for name, column in before.items():
    np.testing.assert_array_equal(arrays[name], column)
  for scalars in {'energy': energy[:4]}, {'ids': energy}:
    with pytest.raises(ValueError, match='does not fit 5 crystals'):
      compact.add_scalars(tmp_path / 'x_train.npz', out, scalars)
  for name in 'file', 'allow_pickle':
    with pytest.raises(
      ValueError, match=f'cannot write arrays called .*{name}'
    ):
      compact.add_scalars(tmp_path / 'x_train.npz', out, {name: energy})
  with np.load(out) as file:
    assert set(file.files) == {*compact.NEEDED, 'band_gap', 'energy'}


def test_properties_of_an_npz(tmp_path):
  save_many(tmp_path / 'source', 6)
  table = tmp_path / 'energies.npz'
  ids = np.array([f'x{i}' for i in range(5)])
  np.savez(table, ids=ids, energy=np.arange(5.0), note=ids)
  data.prepare(
    [tmp_path / 'source'], tmp_path / 'out', properties=table, workers=0,
    fractions=(1, 0, 0),
  )  # fmt: skip
  arrays = data.load(tmp_path / 'out', 'train')
  energies = dict(zip(arrays['id'].tolist(), arrays['energy'], strict=True))
  assert [energies[f'x{i}'] for i in range(5)] == [0, 1, 2, 3, 4]
  assert np.isnan(energies['x5'])
  np.savez(table, energy=np.arange(5.0))
  with pytest.raises(ValueError, match='energies.npz: lacks an array `ids`'):
    data.prepare([tmp_path / 'source'], tmp_path / 'b', properties=table)


def small_and_large(count, slots):
  """Columns of cells of 5 atoms; each tenth cell has 30."""
  atoms = np.where(np.arange(count) % 10 == 0, 30, 5)
  return {
    'numbers': (np.arange(slots) < atoms[:, None]).astype(np.int32),
    'cell': np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
    'positions': np.zeros((count, slots, 3), np.float32),
  }


@pytest.fixture
def weighted():
  """Columns and options of batches in which half of the cells are large."""
  arrays = small_and_large(1000, 40)
  weights = data.size_weights(arrays['numbers'], above=20, share=0.5)
  return arrays, dict(batch_size=200, seed=1, sampling=weights, origins=3)


def test_large_cells_are_half_of_weighted_batches(weighted):
  arrays, options = weighted
  batches = data.batches(arrays, **options)
  first = [next(batches) for _ in range(20)]
  rows = np.concatenate([batch['row'].ravel() for batch in first])
  large = rows % 10 == 0
  # Four standard deviations of 4,000 draws.
  assert abs(large.mean() - 0.5) < 0.032
  assert len(np.unique(rows[large])) == 100
  samples = np.concatenate([batch['sample'] for batch in first])
  assert set(np.unique(samples)) == {0, 1, 2}


def test_weighted_batches_resume(weighted):
  arrays, options = weighted
  batches = data.batches(arrays, **options)
  for _ in range(20):
    next(batches)
  state = json.loads(json.dumps(batches.get_state()))
  expected = next(batches)['row']
  resumed = data.batches(arrays, **options)
  resumed.set_state(state)
  np.testing.assert_array_equal(next(resumed)['row'], expected)


def test_processes_share_one_weighted_batch(weighted):
  arrays, options = weighted
  parts = [
    next(data.batches(arrays, share=data.Share(1, p, 2), **options))['row']
    for p in range(2)
  ]
  whole = next(data.batches(arrays, **options))['row']
  np.testing.assert_array_equal(np.concatenate(parts, 1), whole)


def test_weights_of_batches_are_checked(weighted):
  arrays, options = weighted
  only_seventh = np.zeros(1000)
  only_seventh[7] = 1e-300
  batch = next(
    data.batches(arrays, batch_size=50, seed=0, sampling=only_seventh)
  )
  assert (batch['row'] == 7).all()
  for bad in np.zeros(1000), np.ones(3), -only_seventh, np.full(1000, np.nan):
    with pytest.raises(ValueError, match='one weight >= 0 per crystal'):
      data.batches(arrays, batch_size=4, seed=0, sampling=bad)
  with pytest.raises(ValueError, match='needs a seed'):
    data.batches(arrays, batch_size=4, seed=None, sampling=options['sampling'])


def test_cells_weigh_the_same_if_none_is_large(weighted):
  arrays, _ = weighted
  weights = data.size_weights(arrays['numbers'], above=40, share=0.5)
  assert (weights == 1).all()


def test_training_samples_large_cells():
  atoms = np.where(np.arange(100) % 10 == 0, 30, 5)
  arrays = {
    'numbers': (np.arange(30) < atoms[:, None]).astype(np.int32),
    'cell': np.tile(np.eye(3, dtype=np.float32), (100, 1, 1)),
  }
  config = base.get_config()
  config.train.batch_size = 512
  shares = {}
  for share in 0.0, 0.5:
    config.data.large_share = share
    fields = dict(task=None, model=None, refused={}, optimizer=None)
    training_run = run.Run(config=config, arrays={'train': arrays}, **fields)
    numbers = next(training_run.train_batches())['numbers']
    shares[share] = ((numbers > 0).sum(-1) > 20).mean()
  # Binomial: four standard deviations.
  assert 0.05 < shares[0.0] < 0.15 and 0.41 < shares[0.5] < 0.59
