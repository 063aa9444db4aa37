"""Files of crystals in and out, whatever the format."""

import ase
import ase.build
import ase.io
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.io.reading import pool
from tests.cifs import RUTILE, cif, fractional, save

POSCAR = """x
1.0
3 0 0
0 3 0
{last}
{species}
1 1
Direct
0 0 0
{second}
"""


def test_poscar(tmp_path):
  def read(last='0 0 3', species='Ti O', second='0.5 0.5 0.5'):
    text = POSCAR.format(last=last, species=species, second=second)
    return cj.read(save(tmp_path, text, 'POSCAR'))

  assert read().numbers.tolist() == [22, 8]
  assert read(species='Ti4+ O2-').numbers.tolist() == [22, 8]
  assert read(species='D O').numbers.tolist() == [1, 8]
  with pytest.raises(ValueError, match="POSCAR.*unknown species.*'Xx'"):
    read(species='Ti Xx')
  with pytest.raises(ValueError, match='POSCAR.*0.15 Å apart'):
    read(second='0 0 0.95')
  with pytest.raises(ValueError, match='POSCAR.*zero volume'):
    read(last='0 3 0')
  with pytest.raises(ValueError, match='POSCAR.*cannot be read'):
    read(second='0.5 zwei 0.5')


def test_parsers_of_ase_run_in_a_process_of_their_own(tmp_path, monkeypatch):
  """Formats that only ASE reads; one that crashes costs its file."""
  path = tmp_path / 'x.xsf'
  cj.write(path, cj.Crystal.from_ase(ase.build.bulk('NaCl', 'rocksalt', 5.64)))

  def never(*_):
    raise AssertionError('parsed in the process of the user')

  monkeypatch.setattr(ase.io, 'iread', never)
  assert sorted(cj.read(path).numbers) == [11, 17]
  (tmp_path / 'y.xsf').write_text('CRYSTAL\nPRIMVEC\n1 0\n')
  with pytest.raises(ValueError, match=r'y\.xsf: cannot be read: malformed'):
    cj.read(tmp_path / 'y.xsf')
  with pytest.raises(ValueError, match=r'z\.foo: cannot be read: no known'):
    cj.read(save(tmp_path, 'x', 'z.foo'))
  # No process is started for a CIF, nor to refuse a format.
  monkeypatch.setattr(pool, 'isolated_map', never)
  with pytest.raises(ValueError, match='type numbers'):
    text = 'ITEM: TIMESTEP\n0\nITEM: ATOMS id type x y z\n1 1 0 0 0\n'
    cj.read(save(tmp_path, text, 'x.dump'))
  assert cj.read(save(tmp_path, cif(RUTILE))).numbers.size


def test_extxyz(tmp_path):
  head = '2\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3\n'

  def read(text):
    return cj.read(save(tmp_path, text, 'x.extxyz'))

  assert read(head + 'D 0 0 0\nFe3+ 1 1 1').numbers.tolist() == [1, 26]
  with pytest.raises(ValueError, match="x.extxyz.*unknown.*'Xx'"):
    read(head + 'Xx 0 0 0\nO 1 1 1')
  with pytest.raises(ValueError, match='x.extxyz.*unknown species'):
    read(head + 'X 0 0 0\nO 1 1 1')
  with pytest.raises(ValueError, match='x.extxyz.*not finite'):
    read(head + 'Ti nan 0 0\nO 1 1 1')
  with pytest.raises(ValueError, match='x.extxyz.*no cell'):
    read('1\nmolecule\nO 0 0 0')
  with pytest.raises(ValueError, match='periodic along 2 of 3'):
    read(
      '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 '
      'pbc="T T F"\nO 0 0 0'
    )
  with pytest.raises(ValueError, match='x.extxyz: cannot be read'):
    read(head + 'O 0 0 0')


def test_occupancies_that_ase_notes(tmp_path):
  atoms = ase.build.bulk('Fe')
  path = tmp_path / 'x.traj'
  for kind, whole in (({'Fe': 1.0}, True), ({'Fe': 0.75, 'Ni': 0.25}, False)):
    atoms.info['occupancy'] = {'0': kind}
    ase.io.write(path, atoms)
    if whole:
      assert cj.read(path).num_atoms == 1
    else:
      with pytest.raises(ValueError, match='partial occupancy: site Fe'):
        cj.read(path)
  del atoms.info['occupancy']
  atoms.set_array('occupancy', np.array([0.5]))
  ase.io.write(tmp_path / 'x.extxyz', atoms)
  with pytest.raises(ValueError, match='x.extxyz: partial occupancy: site Fe'):
    cj.read(tmp_path / 'x.extxyz')


def test_files_that_cannot_be_read(tmp_path):
  with pytest.raises(FileNotFoundError, match='missing.cif'):
    cj.read(tmp_path / 'missing.cif')
  with pytest.raises(ValueError, match='is a folder'):
    cj.read(tmp_path)
  with pytest.raises(ValueError, match='no known format'):
    cj.read(save(tmp_path, 'hello', 'x.unheard'))
  with pytest.raises(ValueError, match='bad.cif'):
    path = tmp_path / 'bad.cif'
    path.write_bytes(bytes(range(256)) * 10)
    cj.read(path)


def test_bytes_around_the_text_do_not_matter(tmp_path):
  path = tmp_path / 'x.cif'
  text = '# made in Ångström\n' + cif(RUTILE)
  for encoding in 'utf-8', 'utf-8-sig', 'latin1':
    for newline in '\n', '\r\n':
      path.write_text(text, encoding=encoding, newline=newline)
      assert cj.read(path).num_atoms == 2


def test_several_structures(tmp_path):
  text = cif(RUTILE) + cif('Fe Fe1 0 0 0 1').replace('data_x', 'data_y')
  path = save(tmp_path, 'data_global\n_audit_author x\n' + text, 'two.cif')
  with pytest.raises(ValueError, match=r'two.cif.*index=0 to index=1'):
    cj.read(path)
  assert cj.read(path, index=1).numbers.tolist() == [26]
  assert cj.read(path, index=-2).num_atoms == 2
  with pytest.raises(ValueError, match='no structure index=2'):
    cj.read(path, index=2)
  assert [c.num_atoms for c in cj.read_all(path)] == [2, 1]

  path = save(tmp_path, text + cif('Fe Fe1 0 0 0 .2'), 'three.cif')
  assert cj.read(path, index=0).num_atoms == 2
  with pytest.raises(ValueError, match=r'three.cif, structure 2: partial'):
    cj.read_all(path)


@pytest.mark.parametrize(
  'name',
  ['x.cif', 'POSCAR', 'x.vasp', 'x.extxyz', 'x.cif.gz', 'x.json', 'a@1 ü.xsf'],
)
def test_what_is_written_is_read(tmp_path, name):
  rng = np.random.default_rng(0)
  atoms = ase.Atoms(
    'HPbTiO2',
    cell=[[60, 0, 0], [1, 9, 0], [2, -3, 7]],
    scaled_positions=rng.uniform(-1, 2, (5, 3)),
    pbc=True,
  )
  crystal = cj.Crystal.from_ase(atoms).pad(8)
  cj.write(tmp_path / name, crystal)
  again = cj.read(tmp_path / name)
  assert again.numbers.tolist() == atoms.numbers.tolist()
  np.testing.assert_allclose(
    again.to_ase().cell.cellpar(), atoms.cell.cellpar(), rtol=1e-9
  )
  difference = fractional(again) - atoms.get_scaled_positions()
  np.testing.assert_allclose(difference, np.round(difference), atol=1e-8)
  assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
  crystal = cj.Crystal.from_ase(ase.build.bulk('Fe'))
  path = tmp_path / 'x.cif'
  cj.write(path, crystal)
  before = path.read_text()

  def half(name, *args, **kwargs):
    with open(name, 'w') as file:
      file.write('data_')
    raise OSError('disk full')

  monkeypatch.setattr(ase.io, 'write', half)
  with pytest.raises(OSError, match='disk full'):
    cj.write(path, crystal)
  assert path.read_text() == before
  assert [p.name for p in tmp_path.iterdir()] == ['x.cif']


def test_what_is_not_written(tmp_path):
  crystal = cj.Crystal.from_ase(ase.build.bulk('Fe'))
  with pytest.raises(ValueError, match='x.foo: no writable format'):
    cj.write(tmp_path / 'x.foo', crystal)
  empty = cj.Crystal(np.zeros(2, int), np.zeros((2, 3)), np.eye(3))
  with pytest.raises(ValueError, match='without atoms'):
    cj.write(tmp_path / 'x.cif', empty)
  assert not list(tmp_path.iterdir())
