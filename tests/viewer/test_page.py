"""Pages of crystals: what is drawn, and a picture in a real browser."""

import json
import re
import shutil
import subprocess

import ase
import matplotlib.image
import numpy as np
import pytest
from ase.build import bulk, molecule

import crystal_jax as cj
from crystal_jax import viewer
from crystal_jax.__main__ import main
from crystal_jax.viewer.scene import scene

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')


def panel(atoms, **options):
  return viewer.Panel(cj.Crystal.from_ase(atoms), **options)


def data_of(text):
  (found,) = re.findall(r'const data = (.*?);\n', text)
  return json.loads(found.replace('<\\/', '</'))


def test_atoms_on_faces_are_drawn_on_all_of_them():
  contents = scene(panel(bulk('Po', 'sc', a=3.4)))
  corners = {(a['x'], a['y'], a['z']) for a in contents['atoms']}
  assert corners == {
    (x, y, z) for x in (0, 3.4) for y in (0, 3.4) for z in (0, 3.4)
  }
  assert len(contents['edges']) == 12


def test_bonds_are_mutual_and_of_neighbours():
  atoms = molecule('H2O', vacuum=4.0)
  atoms.pbc = True
  contents = scene(panel(atoms))['atoms']
  bonded = {(i, j) for i, a in enumerate(contents) for j in a['bonds']}
  oxygen = [i for i, a in enumerate(contents) if a['elem'] == 'O']
  assert bonded == {(j, i) for i, j in bonded}
  assert all(i in oxygen or j in oxygen for i, j in bonded)
  assert len(bonded) == 4


def test_isosurface_grid_repeats_the_first_faces():
  rng = np.random.default_rng(0)
  density = rng.uniform(0.1, 1, (4, 5, 6))
  cell = ase.Atoms('H', cell=[4, 5, 6], pbc=True)
  lines = scene(panel(cell, density=density))['cube'].splitlines()
  assert [line.split()[0] for line in lines[3:6]] == ['5', '6', '7']
  values = np.array(lines[6].split(), float).reshape(5, 6, 7)
  np.testing.assert_allclose(values[:4, :5, :6], density, rtol=5e-3)
  np.testing.assert_array_equal(values[-1], values[0])


def test_a_page_is_small_and_opens_offline():
  text = viewer.page([[panel(bulk('Si'), title='</script>')]], title='<b>')
  assert len(text) < 1e6
  assert data_of(text)['rows'][0][0]['title'] == '</script>'
  assert '<b>' not in text.split('<script>')[0]
  assert not re.search(r'<(script|link|img)[^>]+(src|href)=', text)
  with pytest.raises(ValueError, match='No crystal to show'):
    viewer.page([[]])


def test_a_crystal_shows_itself_in_a_notebook():
  html = cj.Crystal.from_ase(bulk('Si')).show()._repr_html_()
  assert html.startswith('<iframe srcdoc="') and '&lt;script&gt;' in html
  assert repr(cj.Crystal.from_ase(bulk('NaCl', 'rocksalt', a=5.64))) == (
    'Crystal(ClNa, 2 atoms, 3.988, 3.988, 3.988 Å, 60.0, 60.0, 60.0°)'
  )


def write_show_command(path):
  cif = path.with_suffix('.cif')
  cj.write(cif, cj.Crystal.from_ase(bulk('NaCl', 'rocksalt', a=5.64)))
  assert main(['show', str(cif), '--density', f'--out={path}']) == 0


def write_codec_show(path):
  page = cj.Codec.load('mp_20').show(bulk('NaCl', 'rocksalt', a=5.64))
  path.write_text(page.text)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='chromium is not installed')
@pytest.mark.parametrize('write_page', [write_show_command, write_codec_show])
def test_page_renders_in_chromium(tmp_path, write_page):
  out = tmp_path / 'x.html'
  write_page(out)
  result = subprocess.run(
    [
      CHROMIUM, '--headless', '--no-sandbox', '--disable-quic',
      '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--use-gl=angle',
      '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
      f'--user-data-dir={tmp_path}/chromium', '--virtual-time-budget=1000',
      '--window-size=900,600', '--enable-logging=stderr',
      f'--screenshot={tmp_path}/x.png', f'file://{out}',
    ],
    capture_output=True, text=True, timeout=300,
  )  # fmt: skip
  assert 'CONSOLE' not in result.stderr, result.stderr
  picture = matplotlib.image.imread(tmp_path / 'x.png')[100:450, 20:880, :3]
  assert (picture.max(-1) - picture.min(-1) > 0.2).mean() > 0.001
  # The light blue surface is larger than the atoms.
  red, green, blue = np.moveaxis(picture, -1, 0)
  assert ((blue - red > 0.08) & (green - red > 0.02)).mean() > 0.002
