"""The benchmark that splits a published validation file."""

import numpy as np
import pytest

from benchmarks import near_duplicates, split_published_val


def write(path, counts, volumes, energies):
  """A compact file of carbon."""
  offsets = np.concatenate([[0], np.cumsum(counts)])
  np.savez(
    path,
    numbers=np.full(offsets[-1], 6, np.uint8),
    frac=np.zeros((offsets[-1], 3), np.float32),
    cell=np.array([np.eye(3) * v ** (1 / 3) for v in volumes]),
    offsets=offsets,
    ids=np.array([f'c{i}' for i in range(len(counts))]),
    energy_per_atom=np.array(energies),
  )


def test_near_duplicates_stay_together(tmp_path, capsys):
  rng = np.random.default_rng(0)
  # Twenty chains of three, whose ends are near-duplicates of the middle only.
  volumes = np.repeat(50 + 10.0 * np.arange(20), 3) * np.tile(
    [1, 1.0015, 1.003], 20
  )
  order = rng.permutation(60)
  write(tmp_path / 'x_val.npz', [2] * 60, volumes[order], np.zeros(60))
  out = tmp_path / 'out'
  split_published_val.main(
    [str(tmp_path / 'x_val.npz'), f'--out={out}', '--share=0.4']
  )
  ids = {}
  for split in 'train', 'val':
    with np.load(out / f'x_{split}.npz') as file:
      ids[split] = file['ids'].tolist()
      assert len(file['frac']) == 2 * len(file['ids']) == file['offsets'][-1]
  assert sorted(ids['train'] + ids['val']) == sorted(f'c{i}' for i in range(60))
  chains = [{order[int(name[1:])] // 3 for name in ids[split]} for split in ids]
  assert chains[0] and chains[1] and not chains[0] & chains[1]
  assert f'x_val.npz: {len(ids["val"])} crystals' in capsys.readouterr().out


def test_near_duplicates_have_equal_counts_volumes_and_energies():
  counts = np.array([2, 2, 4, 2, 2])
  volumes = np.array([50, 50.05, 50, 51, 50])
  energies = np.array([-1, -1.0005, -1, -1, -1.1])
  found = near_duplicates.has_near_duplicate(counts, volumes, energies)
  assert found.tolist() == [True, True, False, False, False]
  names = near_duplicates.group_names(counts, volumes, energies)
  assert names[0] == names[1] and len(set(names)) == 4


@pytest.mark.parametrize('name, out', [('x_val.npz', '.'), ('x.npz', 'out')])
def test_the_input_is_not_overwritten(name, out, tmp_path, capsys):
  write(tmp_path / name, [1], [9], [0])
  before = (tmp_path / name).read_bytes()
  with pytest.raises(SystemExit):
    split_published_val.main([str(tmp_path / name), f'--out={tmp_path / out}'])
  assert 'x_val.npz' in capsys.readouterr().err or name == 'x.npz'
  assert (tmp_path / name).read_bytes() == before
  assert sorted(path.name for path in tmp_path.iterdir()) == [name]
