"""Cube files there and back."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.io import cube
from tests import crystals


def bcc_box():
  crystal = crystals.bcc()
  grid = cj.BoxGrid(6.0, 30)
  density = cj.voxelize(
    crystal.positions, crystal.numbers, crystal.cell, grid=grid, sigma=0.5
  )
  return crystal, grid, density


def test_cube_keeps_a_box_its_values_and_its_origin(tmp_path):
  _, grid, density = bcc_box()
  cube.write_cube(tmp_path / 'a.cube', density, grid=grid)
  again, found, cell = cube.read_cube(tmp_path / 'a.cube')
  assert found == grid
  assert cell is None
  np.testing.assert_allclose(again, density, rtol=2e-5, atol=1e-6)
  # The file itself is in Bohr, and starts half a voxel inside the wall.
  lines = (tmp_path / 'a.cube').read_text().splitlines()
  bohr = 0.529177210903
  origin = [float(x) for x in lines[2].split()[1:4]]
  np.testing.assert_allclose(origin, [(-3 + 0.1) / bohr] * 3, rtol=1e-5)
  step = float(lines[3].split()[1])
  np.testing.assert_allclose(step, 0.2 / bohr, rtol=1e-5)


def test_cube_keeps_a_cell(tmp_path):
  crystal = crystals.wurtzite()
  grid = cj.CellGrid((12, 12, 20))
  density = np.random.default_rng(0).random(grid.shape)
  cube.write_cube(
    tmp_path / 'a.cube',
    density,
    grid=grid,
    cell=crystal.cell,
    crystal=crystal,
  )
  again, found, cell = cube.read_cube(tmp_path / 'a.cube')
  assert found == grid
  np.testing.assert_allclose(cell, crystal.cell, atol=1e-4)
  np.testing.assert_allclose(again, density, rtol=2e-5)


def test_cube_with_another_origin_is_refused(tmp_path):
  crystal, grid, density = bcc_box()
  path = tmp_path / 'a.cube'
  cube.write_cube(path, density, grid=grid)
  lines = path.read_text().splitlines()
  lines[2] = f'{lines[2].split()[0]} 1.0 1.0 1.0'
  path.write_text('\n'.join(lines))
  with pytest.raises(ValueError, match='first voxel'):
    cube.read_cube(path)


@pytest.mark.parametrize('text', ['', 'a\nb\n', 'a\nb\n1 0 0 0\n2 x 0 0\n'])
def test_a_file_that_is_no_cube_is_named(tmp_path, text):
  path = tmp_path / 'a.cube'
  path.write_text(text)
  with pytest.raises(ValueError, match='a.cube: malformed'):
    cube.read_cube(path)
