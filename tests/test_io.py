import csv

import ase
import ase.build
import ase.io
import numpy as np
import pytest

import crystal_jax as cj

HEAD = """data_x
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {beta}
_cell_angle_gamma {gamma}
{symmetry}
loop_
{columns}
{sites}
"""

# Titanium, oxygen: rutile, by its symmetry (P 4_2/m n m) and its two sites.
RUTILE_OPERATIONS = """_space_group_IT_number 136
loop_
_space_group_symop_operation_xyz
'x,y,z'
'-x,-y,z'
'-y+1/2,x+1/2,z+1/2'
'y+1/2,-x+1/2,z+1/2'
'-x+1/2,y+1/2,-z+1/2'
'x+1/2,-y+1/2,-z+1/2'
'y,x,-z'
'-y,-x,-z'
'-x,-y,-z'
'x,y,-z'
'y+1/2,-x+1/2,-z+1/2'
'-y+1/2,x+1/2,-z+1/2'
'x+1/2,-y+1/2,z+1/2'
'-x+1/2,y+1/2,z+1/2'
'-y,-x,z'
'y,x,z'
"""

CORUNDUM = dict(
  cell=(4.76, 4.76, 12.99, 90, 90, 120),
  symmetry="_symmetry_space_group_name_H-M 'R -3 c'\n"
  '_symmetry_Int_Tables_number 167',
  sites='Al Al1 0 0 0.3522 1\nO O1 0.3063 0 0.25 1',
)


def cif(
  sites,
  cell=(4.59, 4.59, 2.96, 90, 90, 90),
  symmetry='',
  columns='type_symbol label fract_x fract_y fract_z occupancy',
):
  return HEAD.format(
    **dict(zip(('a', 'b', 'c', 'alpha', 'beta', 'gamma'), cell, strict=True)),
    symmetry=symmetry,
    columns='\n'.join(f'_atom_site_{name}' for name in columns.split()),
    sites=sites,
  )


def save(folder, text, name='bad.cif'):
  path = folder / name
  path.write_text(text)
  return path


def fractional(crystal):
  return np.asarray(crystal.positions) @ np.linalg.inv(crystal.cell)


def same_sites(crystal, numbers, positions, tolerance=2e-3):
  """Whether two crystals hold the same atoms, in any order, modulo 1."""
  ours = fractional(crystal)
  apart = ours[:, None] - np.asarray(positions)[None]
  apart = np.abs(apart - np.round(apart)).max(-1)
  apart[crystal.numbers[:, None] != np.asarray(numbers)[None]] = 1
  return (
    apart.shape[0] == apart.shape[1]
    and ((apart < tolerance).sum(0) == 1).all()
    and ((apart < tolerance).sum(1) == 1).all()
  )


RUTILE = 'Ti Ti1 0 0 0 1.0\nO O1 0.3053(2) 0.3053 0 1.0'


# The name gemmi knows each space group by, the CIF, and its number of atoms.
SYMMETRIC = [
  ('P 42/m n m', cif(RUTILE, symmetry=RUTILE_OPERATIONS), 6),
  ('P 42/m n m',
   cif(RUTILE, symmetry="_space_group_name_H-M_alt 'P 42/m n m'"), 6),
  ('P 42/m n m', cif(RUTILE, symmetry='_space_group_IT_number 136'), 6),
  ('R -3 c:H', cif(**CORUNDUM), 30),
  ('F d -3 m:1', cif('Si Si1 0 0 0 1', (5.43,) * 3 + (90,) * 3,
                     "_symmetry_space_group_name_H-M 'F d -3 m:1'"), 8),
  ('F d -3 m:2', cif('Si Si1 .125 .125 .125 1', (5.43,) * 3 + (90,) * 3,
                     "_symmetry_space_group_name_H-M 'F d -3 m :2'"), 8),
  ('P 1 21/c 1', cif('Zr Zr1 0.2754 0.0395 0.2083 1\n'
                     'O O1 0.07 0.3317 0.3447 1\n'
                     'O O2 0.4496 0.7569 0.4792 1',
                     (5.15, 5.21, 5.32, 90, 99.23, 90),
                     "_symmetry_space_group_name_H-M 'P 1 21/c 1'"), 12),
  ('P 63/m m c', cif('Mg Mg1 0.3333 0.6667 0.25 1',
                     (3.21, 3.21, 5.21, 90, 90, 120),
                     '_symmetry_Int_Tables_number 194'), 2),
  ('P 1 1 21/b', cif('Ti Ti1 0.1 0.2 0.3 1', (4.1, 5.2, 6.3, 90, 90, 100),
                     "_symmetry_space_group_name_H-M 'P 1 1 21/b'"), 4),
  ('F m -3 m', cif('Cu Cu1 0 0 0 1', (3.6,) * 3 + (90,) * 3,
                   "_symmetry_space_group_name_H-M 'F m 3 m'"), 4),
]  # fmt: skip


@pytest.mark.filterwarnings('ignore:Issues encountered while parsing CIF')
@pytest.mark.filterwarnings('ignore:No _symmetry_equiv_pos_as_xyz')
@pytest.mark.parametrize('group, text, atoms', SYMMETRIC)
def test_symmetry_is_that_of_gemmi_and_pymatgen(tmp_path, group, text, atoms):
  crystal = cj.read(save(tmp_path, text))
  assert crystal.num_atoms == atoms

  gemmi = pytest.importorskip('gemmi')
  block = gemmi.cif.read_string(text).sole_block()
  small = gemmi.make_small_structure_from_block(block)
  small.spacegroup = gemmi.find_spacegroup_by_name(group)
  small.setup_cell_images()
  sites = small.get_all_unit_cell_sites()
  assert same_sites(
    crystal,
    [site.element.atomic_number for site in sites],
    [site.fract.tolist() for site in sites],
  )
  pymatgen = pytest.importorskip('pymatgen.core')
  structure = pymatgen.Structure.from_str(text, fmt='cif')
  np.testing.assert_allclose(
    crystal.to_ase().cell.cellpar(), structure.lattice.parameters
  )
  if not group.startswith('F'):  # pymatgen reads no origin and no 'F m 3 m'
    assert same_sites(
      crystal, [s.Z for s in structure.species], structure.frac_coords
    )


def test_rhombohedral_axes_are_seen_from_the_angles(tmp_path):
  text = cif(
    'Bi Bi1 0.2339 0.2339 0.2339 1',
    (4.75, 4.75, 4.75, 57.2, 57.2, 57.2),
    "_symmetry_space_group_name_H-M 'R -3 m'\n_symmetry_Int_Tables_number 166",
  )
  crystal = cj.read(save(tmp_path, text))
  assert same_sites(crystal, [83, 83], [[0.2339] * 3, [-0.2339] * 3])


@pytest.mark.parametrize(
  'symbol, number',
  [('Ti4+', 22), ('O2-', 8), ('D', 1), ('D1+', 1), ('FE', 26), ('Cl1-', 17),
   ('Ti0+', 22), ('Fe2.5+', 26)],
)  # fmt: skip
def test_type_symbols(tmp_path, symbol, number):
  crystal = cj.read(save(tmp_path, cif(f'{symbol} x1 0 0 0 1')))
  assert crystal.numbers.tolist() == [number]


@pytest.mark.parametrize(
  'label, number', [('Ti1', 22), ('O2A', 8), ('OW1', 8), ('D3', 1), ('Cl', 17)]
)
def test_labels_without_type_symbols(tmp_path, label, number):
  text = cif(f'{label} 0 0 0', columns='label fract_x fract_y fract_z')
  assert cj.read(save(tmp_path, text)).numbers.tolist() == [number]


@pytest.mark.parametrize(
  'text, reason',
  [
    ('', 'empty'),
    ('\n\n', 'no structure'),
    ('not a cif at all', 'cannot be read'),
    (cif('Ti Ti1 0 0 0 0.5'), 'partial occupancy: site Ti1'),
    (cif('Ti Ti1 0 0 0 0.5\nZr Zr1 0 0 0 0.5'), 'partial occupancy'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0.5 0.5 0.5 0.97(1)'), 'site O1'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0 0 0.1 1'), '0.30 Å apart'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0 0 0 1'), '0.00 Å apart'),
    (cif('Ti Ti1 0 0 0.01 1\nO O1 0 0 0.99 1'), '0.06 Å apart'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 0.3, 90, 90, 90)), '0.30 Å apart'),
    (cif('Xx Xx1 0 0 0 1'), "unknown species 'Xx'"),
    (cif('OH O1 0 0 0 1'), "unknown species 'OH'"),
    (cif('M M1 0 0 0 1'), "unknown species 'M'"),
    (cif('Wat 0 0 0', columns='label fract_x fract_y fract_z'), 'Wat'),
    (cif('CA1 0 0 0', columns='label fract_x fract_y fract_z'), 'C or Ca'),
    (cif('Ti Ti1 ? 0 0 1'), 'no numbers'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 0, 90, 90, 90)), 'not positive'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 4, 90, 60, 30)), 'span no volume'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 4, 120, 120, 120)), 'span no volume'),
    (cif('Ti Ti1 0 0 0 1').replace('_cell_length_b', '_cell_b'), 'no cell'),
    (cif('Ti Ti1 0 0 0 1').split('loop_')[0], 'no structure'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry="_symmetry_space_group_name_H-M "
         "'P 7 7 7'"), 'list its symmetry operations'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry="_symmetry_space_group_name_H-M "
         "'P 1 21/c 1'\n_space_group_IT_number 15"),
     'list its symmetry operations'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry='_space_group_IT_number 300'),
     'list its symmetry operations'),
    (cif('Si Si1 0 0 0 1', symmetry='_space_group_IT_number 227'),
     'list its symmetry operations'),
    *((cif('Si Si1 0 0 0 1', symmetry=f"loop_\n_symmetry_equiv_pos_as_xyz\n"
           f"'x,y,z'\n'{operation}'"), f"operation '{operation}' {why}")
      for operation, why in [('x,y', 'is none'), ('x,x,z', 'is none'),
                             ('2x,y,z', 'is none'), ('x,y,w', 'is none'),
                             ('y,z,x', 'does not map the lattice')]),
    (cif('Ti Ti1 0 0 0 1') + '_cell_length_a 7\n', 'is there twice'),
  ],
)  # fmt: skip
def test_a_bad_cif_is_refused_with_file_and_reason(tmp_path, text, reason):
  path = save(tmp_path, text)
  with pytest.raises(ValueError, match='bad.cif') as error:
    cj.read(path)
  assert reason in str(error.value)


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


def test_what_is_no_file(tmp_path):
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
  apart = fractional(again) - atoms.get_scaled_positions()
  np.testing.assert_allclose(apart, np.round(apart), atol=1e-8)
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
  with pytest.raises(ValueError, match='x.foo: no format'):
    cj.write(tmp_path / 'x.foo', crystal)
  empty = cj.Crystal(np.zeros(2, int), np.zeros((2, 3)), np.eye(3))
  with pytest.raises(ValueError, match='without atoms'):
    cj.write(tmp_path / 'x.cif', empty)
  assert not list(tmp_path.iterdir())


def test_translations_keep_their_digits(tmp_path):
  text = cif(
    'Si Si1 0 0 0 1',
    symmetry="loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n"
    "'1/2+X, .3333+y, z-0.21'",
  )
  crystal = cj.read(save(tmp_path, text))
  expected = [[0, 0, 0], [0.5, 1 / 3, 0.79]]
  np.testing.assert_allclose(fractional(crystal), expected, atol=1e-9)


@pytest.mark.filterwarnings('ignore:Issues encountered while parsing CIF')
@pytest.mark.parametrize(
  'name, count',
  [
    ('perov_5_val', 20),
    *(
      pytest.param(name, 200, marks=pytest.mark.slow)
      for name in ('perov_5_val', 'carbon_24_val', 'mp_20_head_of_train')
    ),
  ],
)
def test_real_crystals_agree_with_pymatgen(shared_data, name, count):
  pymatgen = pytest.importorskip('pymatgen.io.cif')
  with (shared_data / f'cdvae_csv/{name}.csv').open(newline='') as lines:
    rows = list(csv.DictReader(lines))
  for i in np.random.default_rng(0).choice(len(rows), count, replace=False):
    text = rows[i]['cif']
    # As the file has it: 0.33338 is not rounded to a third.
    parser = pymatgen.CifParser.from_str(text, frac_tolerance=0)
    structure = parser.parse_structures(primitive=False)[0]
    crystal = cj.io.parse_cif(text)
    ours, theirs = crystal.to_ase().cell.array, structure.lattice.matrix
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-4)
    numbers = [s.Z for s in structure.species]
    assert same_sites(
      crystal, numbers, structure.frac_coords, 1e-4 / max(structure.lattice.abc)
    )


def test_a_cif_in_a_string():
  assert cj.io.parse_cif(cif(RUTILE), 'row 7').num_atoms == 2
  for text, reason in (
    (cif('Ti Ti1 0 0 0 .5'), 'row 7: partial occupancy'),
    (cif(RUTILE) + cif(RUTILE), 'row 7: holds 2 structures'),
    ('', 'row 7: holds 0 structures'),
    ('nonsense', 'row 7: cannot be read'),
  ):
    with pytest.raises(ValueError, match=reason):
      cj.io.parse_cif(text, 'row 7')
