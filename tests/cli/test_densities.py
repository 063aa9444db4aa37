"""Densities from the shell: crystal to file and back."""

import sys

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.io import cube
from tests import crystals


@pytest.mark.parametrize(
  'grid', ['cell', pytest.param('box', marks=pytest.mark.slow)]
)
def test_cif_to_density_to_cif(tmp_path, grid, capsys):
  crystal = crystals.perovskite() if grid == 'cell' else crystals.bcc()
  cj.write(tmp_path / 'in.cif', crystal)
  size = ['--size=24'] if grid == 'cell' else ['--length=8', '--size=40']
  density, out = tmp_path / 'd.cube', tmp_path / 'out.cif'
  voxelize = ['voxelize', str(tmp_path / 'in.cif'), f'--out={density}', *size]
  assert main(voxelize) == 0
  picture = tmp_path / 'out.png'
  decode = ['decode-density', str(density), f'--out={out}', '--max-atoms=256']
  assert main([*decode, f'--picture={picture}']) == 0
  found = cj.read(out)
  assert sorted(found.numbers) == sorted(crystal.numbers)
  volumes = [abs(np.linalg.det(c.cell)) for c in (found, crystal)]
  np.testing.assert_allclose(*volumes, rtol=1e-3)
  assert picture.stat().st_size > 5000
  assert 'warning' not in capsys.readouterr().err


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_crystal_is_written_without_matplotlib(
  tmp_path, monkeypatch, capsys
):
  cj.write(tmp_path / 'in.cif', crystals.bcc())
  density, out = tmp_path / 'd.cube', tmp_path / 'out.cif'
  main(['voxelize', str(tmp_path / 'in.cif'), f'--out={density}', '--size=12'])
  for name in [n for n in sys.modules if n.split('.')[0] == 'matplotlib']:
    monkeypatch.setitem(sys.modules, name, None)
  for name in [n for n in sys.modules if n.startswith('crystal_jax.plots')]:
    monkeypatch.delitem(sys.modules, name)
  monkeypatch.setitem(sys.modules, 'matplotlib', None)
  command = ['decode-density', str(density), f'--out={out}']
  assert main(command) == 0
  assert 'inside the cell; residual RMS' in capsys.readouterr().out
  out.unlink()
  assert main([*command, f'--picture={tmp_path / "x.png"}']) == 1
  assert "pip install 'crystal_jax[plots]'" in capsys.readouterr().err
  assert out.exists()


@pytest.mark.parametrize(
  'name, shape, options, reason',
  [
    ('d.npy', (4, 4, 4), ['--length=4', '--cell', *'400040004'], 'not both'),
    ('d.npy', (4, 4, 5), ['--length=4'], 'unequal sides'),
    ('d.cube', (4, 4, 4), ['--length=4'], 'holds its own lengths'),
    ('d.cube', (4, 4, 4), ['--cell', *'400040004'], 'holds its own lengths'),
  ],
)
def test_lengths_are_given_once(name, shape, options, reason, tmp_path, capsys):
  path = tmp_path / name
  if path.suffix == '.npy':
    np.save(path, np.zeros(shape))
  else:
    cube.write_cube(path, np.zeros(shape), grid=cj.BoxGrid(4.0, 4))
  out = tmp_path / 'out.cif'
  assert main(['decode-density', str(path), *options, f'--out={out}']) == 1
  assert reason in capsys.readouterr().err and not out.exists()


@pytest.mark.slow
def test_a_picture_is_drawn_where_no_lattice_is_found(tmp_path, capsys):
  lone = cj.Crystal(np.array([26]), np.zeros((1, 3)), 30 * np.eye(3))
  cj.write(tmp_path / 'in.cif', lone)
  density, picture = tmp_path / 'd.npy', tmp_path / 'x.png'
  size = ['--length=8', '--size=24']
  main(['voxelize', str(tmp_path / 'in.cif'), f'--out={density}', *size])
  command = ['decode-density', str(density), '--length=8', '--max-atoms=16']
  out = f'--out={tmp_path / "out.cif"}'
  assert main([*command, out, f'--picture={picture}']) == 1
  assert 'no lattice found (score' in capsys.readouterr().out
  assert picture.stat().st_size > 5000
