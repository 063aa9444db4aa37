"""Every device and process sees its part of the same shuffled batches."""

import json

import numpy as np
import pytest

from crystal_jax import data


def make_arrays(count=10, slots=4):
  """Crystal i has i % slots + 1 atoms, all of element i + 1."""
  atoms = np.arange(slots)[None, :] <= np.arange(count)[:, None] % slots
  numbers = np.where(atoms, np.arange(1, count + 1)[:, None], 0)
  return {
    'numbers': numbers.astype(np.int32),
    'positions': np.float32(numbers[:, :, None] * [1, 2, 3]),
    'cell': np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    * np.arange(1, count + 1, dtype=np.float32)[:, None, None],
    'id': np.array([f'crystal {i}' for i in range(count)]),
  }


def take(count, *args, **kwargs):
  iterator = data.batches(*args, **kwargs)
  return [next(iterator) for _ in range(count)]


def flat(batch):
  """One batch without its device axis."""
  return {name: value.reshape(-1, *value.shape[2:])
          for name, value in batch.items()}  # fmt: skip


def assert_same(first, second):
  assert first.keys() == second.keys()
  for name in first:
    np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_shapes_dtypes_and_rows():
  arrays = make_arrays()
  batch = take(1, arrays, batch_size=6, share=data.Share(2), seed=0)[0]
  assert {n: (v.dtype.str, v.shape) for n, v in batch.items()} == {
    'numbers': ('<i4', (2, 3, 4)),
    'positions': ('<f4', (2, 3, 4, 3)),
    'cell': ('<f4', (2, 3, 3, 3)),
    'row': ('<i4', (2, 3)),
    'sample': ('<i4', (2, 3)),
    'index': ('<i4', (2, 3)),
    'mask': ('|b1', (2, 3)),
  }
  batch = flat(batch)
  np.testing.assert_array_equal(batch['index'], np.arange(6))
  assert batch['mask'].all()
  for name in 'numbers', 'positions', 'cell':
    np.testing.assert_array_equal(batch[name], arrays[name][batch['row']])


@pytest.mark.parametrize('devices, processes', [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_devices_and_processes_share_the_global_batch(devices, processes):
  arrays = make_arrays()
  whole = take(5, arrays, batch_size=6, seed=3)
  parts = [
    take(5, arrays, batch_size=6, seed=3,
         share=data.Share(devices, p, processes))
    for p in range(processes)
  ]  # fmt: skip
  for one, *parts_of_one in zip(whole, *parts, strict=True):
    pieces = [flat(other) for other in parts_of_one]
    joined = {
      name: np.concatenate([piece[name] for piece in pieces])
      for name in pieces[0]
    }
    assert_same(flat(one), joined)


def test_every_epoch_holds_everything_once_in_its_own_order():
  batches = take(6, make_arrays(), batch_size=5, seed=0)
  rows = np.concatenate([flat(batch)['row'] for batch in batches])
  epochs = rows.reshape(3, 10)
  np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(10), (3, 1)))
  assert len({tuple(epoch) for epoch in epochs}) == 3
  again = take(6, make_arrays(), batch_size=5, seed=0)
  other = take(6, make_arrays(), batch_size=5, seed=1)
  for first, second in zip(batches, again, strict=True):
    assert_same(first, second)
  assert any((a['row'] != b['row']).any()
             for a, b in zip(batches, other, strict=True))  # fmt: skip


def test_batches_run_on_over_epoch_ends():
  batches = take(5, make_arrays(), batch_size=8, seed=0)
  rows = np.concatenate([flat(batch)['row'] for batch in batches])
  np.testing.assert_array_equal(np.bincount(rows), 4)
  # A set smaller than one batch still gives batches.
  batches = take(2, make_arrays(3), batch_size=8, seed=0)
  assert all(flat(batch)['mask'].all() for batch in batches)


@pytest.mark.parametrize('seed', [None, 0])
def test_evaluation_sees_everything_once_and_marks_padding(seed):
  arrays = make_arrays()
  batches = list(
    data.batches(
      arrays, batch_size=4, seed=seed, num_epochs=1, share=data.Share(2),
    )
  )  # fmt: skip
  assert len(batches) == 3
  joined = {
    name: np.concatenate([flat(batch)[name] for batch in batches])
    for name in batches[0]
  }
  np.testing.assert_array_equal(joined['mask'], [True] * 10 + [False] * 2)
  rows = joined['row'][joined['mask']]
  np.testing.assert_array_equal(np.sort(rows), np.arange(10))
  assert seed is not None or (rows == np.arange(10)).all()
  padding = ~joined['mask']
  assert not joined['numbers'][padding].any()
  np.testing.assert_array_equal(joined['cell'][padding], [np.eye(3)] * 2)


@pytest.mark.parametrize('kind', ['arrays', 'records'])
def test_a_process_may_get_only_padding(kind):
  crystals = make_arrays(5)
  if kind == 'records':
    crystals = records(crystals)
  batches = [
    list(data.batches(
      crystals, batch_size=4, seed=0, num_epochs=1, max_atoms=4,
      share=data.Share(1, p, 2),
    ))
    for p in range(2)
  ]  # fmt: skip
  masks = [[batch['mask'].sum() for batch in each] for each in batches]
  assert masks == [[2, 1], [2, 0]]


def test_origins_are_all_seen_in_an_epoch():
  batches = list(
    data.batches(
      make_arrays(), batch_size=5, seed=0, num_epochs=1,
      origins=3,
    )
  )  # fmt: skip
  pairs = [
    pair
    for batch in map(flat, batches)
    for pair in zip(
      batch['row'].tolist(), batch['sample'].tolist(), strict=True
    )
  ]
  assert sorted(pairs) == [(r, s) for r in range(10) for s in range(3)]


@pytest.mark.parametrize('taken', [0, 1, 7])
def test_a_saved_position_goes_on_exactly_there(taken):
  options = dict(batch_size=4, share=data.Share(2), seed=0, origins=3)
  iterator = data.batches(make_arrays(), **options)
  for _ in range(taken):
    next(iterator)
  state = json.loads(json.dumps(iterator.get_state()))
  expected = [next(iterator) for _ in range(5)]

  fresh = data.batches(make_arrays(), **options)
  fresh.set_state(state)
  for before, after in zip(expected, fresh, strict=False):
    assert_same(before, after)
  iterator.set_state(state)  # Backwards, in the same iterator.
  assert_same(expected[0], next(iterator))


def records(arrays):
  return data.records(arrays, range(len(arrays['numbers'])))


def test_a_source_of_records_gives_what_arrays_give():
  arrays = make_arrays()
  options = dict(batch_size=4, share=data.Share(2), seed=0, max_atoms=6)
  for first, second in zip(
    take(4, arrays, **options), take(4, records(arrays), **options), strict=True
  ):
    assert first['numbers'].shape == (2, 2, 6)
    assert_same(first, second)
  with pytest.raises(ValueError, match='needs max_atoms'):
    data.batches(records(arrays), batch_size=4, seed=0)


@pytest.mark.slow
def test_worker_processes_change_nothing():
  options = dict(batch_size=4, share=data.Share(2), seed=0, max_atoms=4)
  source = records(make_arrays())
  plain = take(6, source, **options)
  iterator = data.batches(source, workers=2, **options)
  for batch in plain:
    assert_same(batch, next(iterator))
  state = iterator.get_state()
  expected = next(iterator)
  iterator.close()
  iterator = data.batches(source, workers=2, **options)
  iterator.set_state(state)
  assert_same(expected, next(iterator))
  iterator.close()


@pytest.mark.parametrize(
  'options, reason',
  [
    (dict(batch_size=5), 'batch_size=5 does not divide'),
    (dict(batch_size=0), 'batch_size=0 does not divide'),
    (dict(share=data.Share(4, 0, 2)), 'process_count=2'),
    (dict(share=data.Share(2, 1, 1)), 'process_index=1'),
    (dict(max_atoms=3), 'has 4 atoms, more than max_atoms=3'),
  ],
)
def test_what_cannot_be_batched_is_named(options, reason):
  defaults = dict(batch_size=4, share=data.Share(2), seed=0)
  with pytest.raises(ValueError, match=reason):
    data.batches(make_arrays(), **(defaults | options))


def test_no_crystals_are_an_error():
  empty = {name: column[:0] for name, column in make_arrays().items()}
  with pytest.raises(ValueError, match='no crystals'):
    data.batches(empty, batch_size=4, seed=0)


def test_further_columns_come_along():
  arrays = make_arrays()
  arrays['lattice'] = np.arange(60, dtype=np.float32).reshape(10, 6)
  batch = take(1, arrays, batch_size=4, seed=0)[0]
  np.testing.assert_array_equal(
    batch['lattice'], arrays['lattice'][batch['row']]
  )
