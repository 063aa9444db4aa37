"""A set read in place is the set in memory, and takes no memory."""

import logging
import tracemalloc

import numpy as np
import pytest

from crystal_jax import data
from crystal_jax.codec.model import make_model
from crystal_jax.data import memory_map
from experiments import base, cell16

RULES = {'max_atoms': 8, 'elements': ()}


@pytest.fixture
def stems(tmp_path):
  """Two sets; in each one crystal is too large, and in one atoms touch."""
  rng = np.random.default_rng(0)
  grid = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), 1) / 3
  for name, count in ('a', 50), ('b', 13):
    atoms = rng.integers(1, 9, count)
    atoms[2] = 10
    frac = [grid[rng.permutation(27)[:n]] for n in atoms]
    frac[7] = np.concatenate([frac[7][:1], frac[7][:1] + 1e-3])
    atoms[7] = 2
    np.savez(
      tmp_path / f'{name}_train.npz',
      numbers=rng.integers(3, 80, atoms.sum()).astype(np.uint8),
      frac=np.concatenate(frac).astype(np.float32),
      cell=np.float32(
        [np.eye(3) * rng.uniform(5, 8) + rng.normal(0, 0.2, (3, 3))]
        * count
      ),
      offsets=np.cumsum([0, *atoms]),
      ids=np.array([f'{name}-{"x" * (i % 5)}{i}' for i in range(count)]),
    )  # fmt: skip
  return tmp_path


def representation(kind):
  config = base.get_config() if kind == 'box' else cell16.get_config()
  if kind == 'box':
    config.model.lattice_head.enabled = True
  return make_model(config.model).representation


def both(folder, builder, kind, monkeypatch, **options):
  """The same in memory and in place."""
  monkeypatch.setattr(memory_map, '_PART_SIZE', 8)
  model = representation(kind)
  where = (builder, 'train', model.prepare)
  plain = data.load_inputs(*where, **RULES, **options)
  mapped = data.load_in_place(
    folder / 'inputs', *where, key=repr(model), workers=0, **RULES, **options
  )
  return plain, mapped


@pytest.mark.parametrize('kind', ['cell', 'box'])
def test_batches_are_those_of_memory_and_each_process_reads_its_own(
  stems, kind, monkeypatch, caplog
):
  caplog.set_level(logging.INFO)
  (plain, dropped), (mapped, out) = both(
    stems, str(stems / 'a'), kind, monkeypatch
  )
  assert '1 of 50 left out: more than 8 atoms' in caplog.text
  assert dropped == out and len(dropped) == (kind == 'cell')
  assert len(plain['numbers']) == 49 - len(dropped)
  assert plain.keys() - {'row'} == mapped.keys()
  for name, column in mapped.items():
    assert isinstance(column.base.base, np.memmap)
    np.testing.assert_array_equal(column, plain[name])
  seen = []
  for process in 0, 1:
    share = data.Share(2, process, 2)
    options = dict(batch_size=8, seed=3, origins=2, share=share)
    iterators = [data.batches(each, **options) for each in (plain, mapped)]
    for _ in range(14):  # Over the end of an epoch.
      one, other = map(next, iterators)
      assert one.keys() == other.keys()
      for name, value in one.items():
        assert value.dtype == other[name].dtype
        np.testing.assert_array_equal(value, other[name])
    seen.append(other['row'] * 2 + other['sample'])
    state = iterators[0].get_state()
    again = data.batches(mapped, **options)
    again.set_state(state)
    np.testing.assert_array_equal(
      next(again)['numbers'], next(iterators[0])['numbers']
    )
  assert not np.isin(seen[0], seen[1]).any()


@pytest.mark.parametrize('weights', [(), (2.0, 3.0)])
def test_several_sets(stems, weights, monkeypatch):
  (plain, dropped), (mapped, out) = both(
    stems, f'{stems / "a"}, {stems / "b"}', 'cell', monkeypatch, weights=weights
  )
  assert dropped == out and len(dropped) == 2
  assert len(plain['numbers']) == (48 + 72 if weights else 48 + 11)
  for name, column in mapped.items():
    np.testing.assert_array_equal(column, plain[name])


def test_it_is_made_once_and_goes_on_where_it_was(stems, monkeypatch):
  monkeypatch.setattr(memory_map, '_PART_SIZE', 8)
  calls = []

  def prepare(arrays):
    calls.append(len(arrays['id']))
    if len(calls) == 4:
      raise OSError(28, 'No space left on device')
    return arrays, []

  def load(key='k'):
    return data.load_in_place(
      stems / 'inputs', str(stems / 'a'), 'train', prepare, key=key, workers=0,
      **RULES,
    )[0]  # fmt: skip

  with pytest.raises(OSError, match='No space'):
    load()
  assert not list((stems / 'inputs').glob('*.npy'))
  assert len(load()['id']) == 49 and len(calls) == 8
  assert len(load()['id']) == 49 and len(calls) == 8
  assert len(load('other')['id']) == 49 and len(calls) == 15
  assert len(list((stems / 'inputs').glob('*.npy'))) == 2
  assert not list((stems / 'inputs').glob('*.parts'))


def test_no_crystals(stems):
  arrays, dropped = data.load_in_place(
    stems / 'inputs', str(stems / 'a'), 'train', representation('cell').prepare,
    key='k', workers=0, max_atoms=8, min_atoms=9,
  )  # fmt: skip
  assert len(arrays['numbers']) == 0 and dropped == []


@pytest.mark.slow
def test_worker_processes_make_the_same(stems, monkeypatch):
  _, (alone, _) = both(stems, str(stems / 'a'), 'cell', monkeypatch)
  model = representation('cell')
  # The workers do not know of the smaller parts: a part then is a part of one
  # set, of which there are two.
  monkeypatch.undo()
  arrays, dropped = data.load_in_place(
    stems / 'more', f'{stems / "a"},{stems / "b"}', 'train', model.prepare,
    key='k', workers=2, **RULES,
  )  # fmt: skip
  assert len(dropped) == 2
  for name, column in alone.items():
    np.testing.assert_array_equal(column, arrays[name][: len(column)])


def test_memory_does_not_grow_with_the_set(tmp_path):
  count, slots = 20_000, 20
  kind = [
    ('numbers', np.int32, slots), ('fractional', np.float32, (slots, 3)),
    ('cell', np.float32, (3, 3)),
  ]  # fmt: skip
  path = tmp_path / 'x.npy'
  records = np.lib.format.open_memmap(path, 'w+', kind, (count,))
  records['numbers'] = np.arange(count)[:, None] % 90 + 1
  del records
  tracemalloc.start()
  arrays = memory_map._open(path)
  batches = data.batches(arrays, batch_size=64, seed=0)
  for _ in range(count // 64 + 5):
    batch = next(batches)
  counts = data.count_atoms(arrays)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert batch['numbers'].shape == (1, 64, slots)
  assert counts.sum() == count * slots
  # The order of two epochs, and what was loaded ahead; the file has 7 MB.
  assert path.stat().st_size > 7e6 and peak < 4e6, peak
