"""The published CSV layout, on dummy data and on a piece of the real files."""

import csv
import itertools
import pathlib
import shutil

import numpy as np
import pytest

from crystal_jax import data

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'datasets/cdvae_csv'
DUMMY = FOLDER / 'dummy_data'


def load(config, split, tmp_path, manual_dir=DUMMY):
  source = data.load_split(FOLDER / config, split, tmp_path / 'out', manual_dir)
  return sorted(source, key=lambda record: record['id'])


@pytest.mark.parametrize(
  'config, numbers, volumes, scalars',
  [
    ('perov_5', [[38, 22, 8, 8, 8], [56, 22, 8, 8, 8]], [3.905**3, 4.0**3],
     {'heat_all': [0, 0.25], 'heat_ref': [0.5, 0.5]}),
    ('carbon_24', [[6] * 8, [6] * 6], [3.57**3, 3.57**3 / 4 * 3],
     {'energy_per_atom': [-154, -154.25]}),
    ('mp_20', [[11, 17], [30, 16]], [5.64**3 / 4, 5.41**3 / 4],
     {'formation_energy_per_atom': [-1.5, -1.5], 'band_gap': [5, np.nan],
      'e_above_hull': [0, 0], 'spacegroup_number': [225, 216]}),
    ('mpts_52', [[11, 17], [30, 16]], [5.64**3 / 4, 5.41**3 / 4],
     {'formation_energy_per_atom': [-1.5, -1.5], 'e_above_hull': [0, 0]}),
  ],
)  # fmt: skip
def test_dummy_data(tmp_path, config, numbers, volumes, scalars):
  records = load(config, 'train', tmp_path)
  assert [record['numbers'].tolist() for record in records] == numbers
  found = [abs(np.linalg.det(record['cell'])) for record in records]
  np.testing.assert_allclose(found, volumes, rtol=1e-5)
  for name, values in scalars.items():
    np.testing.assert_array_equal([record[name] for record in records], values)
  for split in 'val', 'test':
    assert len(load(config, split, tmp_path)) == 1
  assert data.in_memory(records)['numbers'].any()


def test_a_split_without_a_file_is_left_out(tmp_path):
  (tmp_path / 'perov_5').mkdir()
  shutil.copy(DUMMY / 'perov_5/val.csv', tmp_path / 'perov_5')
  assert len(load('perov_5', 'val', tmp_path, tmp_path)) == 1
  with pytest.raises(ValueError, match="no split 'train'"):
    load('perov_5', 'train', tmp_path, tmp_path)


def test_missing_files_are_asked_for(tmp_path):
  shutil.copytree(DUMMY / 'perov_5', tmp_path / 'manual/perov_5')
  with pytest.raises(FileNotFoundError, match=r'Put train.csv.*mp_20'):
    load('mp_20', 'train', tmp_path, tmp_path / 'manual')


def test_a_bad_row_is_named(tmp_path):
  (tmp_path / 'carbon_24').mkdir()
  text = (DUMMY / 'carbon_24/train.csv').read_text()
  first, second, third = text.split('data_image0')
  bad = first + 'data_image0' + second + 'data_image0'
  bad += third.replace('1.0000\n', '0.5000\n', 1)
  (tmp_path / 'carbon_24/train.csv').write_text(bad)
  with pytest.raises(ValueError, match=r'row 1 \(C-1\): partial occupancy'):
    load('carbon_24', 'train', tmp_path, tmp_path)
  (tmp_path / 'carbon_24/train.csv').write_text(text)
  assert len(load('carbon_24', 'train', tmp_path, tmp_path)) == 2


@pytest.mark.parametrize(
  'config, file, compact',
  [
    ('perov_5', 'perov_5_val', 'perov_5_val'),
    ('carbon_24', 'carbon_24_val', 'carbon_24_val'),
    ('mp_20', 'mp_20_head_of_train', 'mp_20_part_train'),
  ],
)
def test_published_files(tmp_path, shared_data, config, file, compact):
  """Sixty rows of the real thing against the compact copies of them."""
  (tmp_path / config).mkdir()
  published = shared_data / f'cdvae_csv/{file}.csv'
  with published.open(newline='') as lines:
    rows = list(itertools.islice(csv.reader(lines), 61))
  with (tmp_path / config / 'val.csv').open('w', newline='') as out:
    csv.writer(out).writerows(rows)
  records = load(config, 'val', tmp_path, tmp_path)
  assert len(records) == 60
  expected = np.load(shared_data / f'{compact}.npz')
  index = {id_: i for i, id_ in enumerate(expected['ids'])}
  for record in records:
    i = index[record['id']]
    atoms = slice(*expected['offsets'][i : i + 2])
    np.testing.assert_array_equal(record['numbers'], expected['numbers'][atoms])
    # The same lengths and angles; the cells may lie differently in space.
    cells = record['cell'].astype(float), expected['cell'][i].astype(float)
    metric, expected_metric = (cell @ cell.T for cell in cells)
    np.testing.assert_allclose(metric, expected_metric, rtol=1e-5, atol=1e-4)
    difference = record['positions'] @ np.linalg.inv(cells[0])
    difference = difference - expected['frac'][atoms]
    np.testing.assert_allclose(difference, np.round(difference), atol=1e-5)
