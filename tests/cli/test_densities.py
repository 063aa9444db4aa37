"""Densities from the shell: crystal to file and back."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from tests import crystals


@pytest.mark.parametrize('way', ['cell', 'box'])
def test_cif_to_density_to_cif(tmp_path, way, capsys):
  crystal = crystals.perovskite() if way == 'cell' else crystals.bcc()
  cj.write(tmp_path / 'in.cif', crystal)
  size = ['--size=24'] if way == 'cell' else ['--length=8', '--size=40']
  density, out = tmp_path / 'd.cube', tmp_path / 'out.cif'
  voxelize = ['voxelize', str(tmp_path / 'in.cif'), f'--out={density}', *size]
  assert main(voxelize) == 0
  decode = ['decode-density', str(density), f'--out={out}', '--max-atoms=256']
  assert main(decode) == 0
  found = cj.read(out)
  assert sorted(found.numbers) == sorted(crystal.numbers)
  volumes = [abs(np.linalg.det(c.cell)) for c in (found, crystal)]
  np.testing.assert_allclose(*volumes, rtol=1e-3)
  assert out.with_suffix('.png').stat().st_size > 5000
  assert 'warning' not in capsys.readouterr().err


def test_density_of_no_gaussian_atoms_gets_a_warning(tmp_path, capsys):
  # A sphere with an edge, 1.5 Å wide, in the middle of the cell.
  x = 6 * (np.arange(24) / 24 - 0.5)
  far = np.sqrt(sum(np.square(np.meshgrid(x, x, x))))
  np.save(tmp_path / 'd.npy', (far < 1.5).astype(np.float32))
  cell = [str(v) for v in np.eye(3).ravel() * 6]
  main(
    [
      'decode-density',
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
  assert main(['decode-density', str(tmp_path / 'd.npy')]) == 1
  assert '--length' in capsys.readouterr().err


def test_an_array_is_what_voxelize_gives(tmp_path):
  crystal = crystals.bcc()
  cj.write(tmp_path / 'in.cif', crystal)
  out = tmp_path / 'd.npy'
  main(['voxelize', str(tmp_path / 'in.cif'), f'--out={out}', '--size=12'])
  read = cj.read(tmp_path / 'in.cif')
  density = cj.voxelize(
    read.positions,
    read.numbers,
    read.cell,
    grid=cj.CellGrid(12),
    sigma=0.5,
    band_limit=True,
  )
  np.testing.assert_array_equal(np.load(out), density)


def test_a_mistake_is_one_line(tmp_path, capsys):
  assert main(['voxelise']) == 2
  assert 'voxelize' in capsys.readouterr().err
  assert main(['voxelize', str(tmp_path / 'no.cif'), '--out=d.xyz']) == 1
  assert capsys.readouterr().err.count('\n') == 1
  assert main([]) == 2
  assert 'decode-density' in capsys.readouterr().out
