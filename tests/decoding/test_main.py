"""The shell entry, and cube files there and back."""

import crystals
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.decoding import cubes, main


def bcc_box():
  crystal = crystals.bcc()
  grid = cj.BoxGrid(6.0, 30)
  density = cj.voxelize(
    crystal.positions, crystal.numbers, crystal.cell, grid=grid, sigma=0.5
  )
  return crystal, grid, density


def test_cube_keeps_a_box_its_values_and_its_origin(tmp_path):
  _, grid, density = bcc_box()
  cubes.write_cube(tmp_path / 'a.cube', density, grid=grid)
  again, found, cell = cubes.read_cube(tmp_path / 'a.cube')
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
  cubes.write_cube(
    tmp_path / 'a.cube',
    density,
    grid=grid,
    cell=crystal.cell,
    crystal=crystal,
  )
  again, found, cell = cubes.read_cube(tmp_path / 'a.cube')
  assert found == grid
  np.testing.assert_allclose(cell, crystal.cell, atol=1e-4)
  np.testing.assert_allclose(again, density, rtol=2e-5)


def test_cube_with_another_origin_is_refused(tmp_path):
  crystal, grid, density = bcc_box()
  path = tmp_path / 'a.cube'
  cubes.write_cube(path, density, grid=grid)
  lines = path.read_text().splitlines()
  lines[2] = f'{lines[2].split()[0]} 1.0 1.0 1.0'
  path.write_text('\n'.join(lines))
  with pytest.raises(ValueError, match='first voxel'):
    cubes.read_cube(path)


@pytest.mark.parametrize('way', ['cell', 'box'])
def test_cif_to_cube_to_cif(tmp_path, way, capsys):
  crystal = crystals.perovskite() if way == 'cell' else crystals.bcc()
  cj.write(tmp_path / 'in.cif', crystal)
  size = ['--size=24'] if way == 'cell' else ['--length=8', '--size=40']
  cube, out = tmp_path / 'd.cube', tmp_path / 'out.cif'
  assert main.main([str(tmp_path / 'in.cif'), f'--to-cube={cube}', *size]) == 0
  assert main.main([str(cube), '-o', str(out), '--max-atoms=256']) == 0
  found = cj.read(out)
  assert sorted(found.numbers) == sorted(crystal.numbers)
  volumes = [abs(np.linalg.det(c.cell)) for c in (found, crystal)]
  np.testing.assert_allclose(*volumes, rtol=1e-3)
  assert out.with_suffix('.png').stat().st_size > 5000
  assert 'warning' not in capsys.readouterr().err


def test_density_of_no_gaussian_atoms_gets_a_warning(tmp_path, capsys):
  x = np.linspace(0, 2 * np.pi, 24, endpoint=False)
  wave = 1 + 0.5 * np.sin(x)[:, None, None] * np.ones((24, 24, 24))
  np.save(tmp_path / 'd.npy', wave.astype(np.float32))
  cell = [str(v) for v in np.eye(3).ravel() * 6]
  main.main(
    [
      str(tmp_path / 'd.npy'),
      '-o',
      str(tmp_path / 'out.cif'),
      '--max-atoms=32',
      '--cell',
      *cell,
    ]
  )
  assert 'not an electron density' in capsys.readouterr().err


def test_file_that_does_not_say_where_it_lies_is_an_error(tmp_path, capsys):
  np.save(tmp_path / 'd.npy', np.zeros((4, 4, 4)))
  assert main.main([str(tmp_path / 'd.npy')]) == 1
  assert '--length' in capsys.readouterr().err
