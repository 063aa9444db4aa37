"""Forty files that are no crystals, and ten that are."""

import gzip
import os

VALID = [
  ('NaCl', 'Na', 'Cl', 3.99), ('MgO', 'Mg', 'O', 2.98),
  ('ZnS', 'Zn', 'S', 3.82), ('CsCl', 'Cs', 'Cl', 4.12),
  ('TiN', 'Ti', 'N', 3.0), ('FeSi', 'Fe', 'Si', 2.8),
  ('GaAs', 'Ga', 'As', 4.0), ('LiF', 'Li', 'F', 2.85),
  ('KBr', 'K', 'Br', 4.67),
]  # fmt: skip


def cif(
  first='Na',
  second='Cl',
  a=4.0,
  b=None,
  angle=90,
  occupancy=1,
  z='0.5',
  more='',
):
  """Two atoms in a box."""
  return f"""data_x
_cell_length_a {a}
_cell_length_b {a if b is None else b}
_cell_length_c {a}
_cell_angle_alpha {angle}
_cell_angle_beta {angle}
_cell_angle_gamma {angle}
{more}
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{first} {first}1 0 0 0 {occupancy}
{second} {second}1 0.5 0.5 {z} 1
"""


POSCAR = """x
1.0
4 0 0
0 4 0
0 0 {c}
{species}
1 1
Direct
0 0 0
0.5 0.5 {z}
"""

XYZ = """2
Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="{pbc}"
{first} 0 0 0
Cl 2 2 2
"""


def xyz(lattice='4 0 0 0 4 0 0 0 4', pbc='T T T', first='Na'):
  return XYZ.format(lattice=lattice, pbc=pbc, first=first)


def symmetry(*operations):
  listed = '\n'.join(f"'{operation}'" for operation in operations)
  return f'loop_\n_symmetry_equiv_pos_as_xyz\n{listed}'


# The file, what is in it, and the reason that is given.
BAD = {
  'partial.cif': (cif(occupancy=0.5), 'partial occupancy'),
  'partial97.cif': (cif(occupancy='0.97(1)'), 'partial occupancy'),
  'occupancy.cif': (cif(occupancy='full'), 'is not a number'),
  'no_sites.cif': (cif().split('loop_')[0], 'no structure'),
  'no_cell.cif': (cif().replace('_cell_length_b', '_b'), 'no cell'),
  'zero_cell.cif': (cif(b=0), 'not positive'),
  'negative.cif': (cif(b=-4), 'not positive'),
  'angles.cif': (cif(angle=120), 'span no volume'),
  'flat.cif': (cif(angle=180), 'not between 0 and 180'),
  'clash.cif': (cif(z='0.01', a=0.5), 'apart, less than'),
  'on_top.cif': (cif().replace('0.5 0.5 0.5', '0 0 0'), 'apart, less than'),
  'image.cif': (cif(b=0.3), 'apart, less than'),
  'species.cif': (cif('Xx'), 'unknown species'),
  'dummy.cif': (cif('M'), 'unknown species'),
  'heavy.cif': (cif('Am'), 'beyond Pu'),
  'nan.cif': (cif(z='nan'), 'no numbers'),
  'unknown.cif': (cif(z='?'), 'no numbers'),
  'text.cif': (cif(z='half'), 'no numbers'),
  'infinite.cif': (cif(z='1e999'), 'no numbers|not finite|nan'),
  'operation.cif': (cif(more=symmetry('x,y,z', 'x,x,z')), 'is malformed'),
  'words.cif': (cif(more=symmetry('x,y,z', 'x,y')), 'is malformed'),
  'turned.cif': (
    cif(b=5, more=symmetry('x,y,z', 'z,x,y', 'y,z,x')),
    'does not map',
  ),
  'setting.cif': (
    cif(more='_space_group_IT_number 227'),
    'symmetry operations',
  ),
  'twice.cif': (cif() + '_cell_length_a 5\n', 'there twice'),
  'empty.cif': ('', 'is empty'),
  'blank.cif': ('\n\n', 'no structure'),
  'prose.cif': ('This is not a crystal.\n', 'cannot be read'),
  'cut.cif': (cif()[:-40], 'cannot be read'),
  'utf16.cif': (cif().encode('utf-16'), 'cannot be read'),
  'binary.cif': (bytes(range(256)) * 40, 'cannot be read'),
  'pickle.cif': (
    b'\x80\x04cos\nsystem\n(S"touch pwned"\ntR.',
    'cannot be read',
  ),
  'broken.cif.gz': (gzip.compress(cif().encode())[:60], 'cannot be read'),
  'POSCAR_flat': (POSCAR.format(c=0, species='Na Cl', z=0.5), 'zero volume'),
  'POSCAR nan': (POSCAR.format(c=4, species='Na Cl', z='nan'), 'not finite'),
  'CONTCAR.x': (POSCAR.format(c=4, species='Na Qq', z=0.5), 'unknown species'),
  'short.vasp': ('x\n1.0\n4 0 0\n', 'cannot be read'),
  'molecule.xyz': ('1\nno lattice\nO 0 0 0\n', 'no cell'),
  'slab.extxyz': (xyz(pbc='T T F'), 'periodic along 2 of 3'),
  'nothing.db': (b'SQLite format 3\0' + bytes(100), 'not an ASE database'),
  'broken.npz': (b'PK\3\4' + bytes(50), 'cannot be read'),
}


def large(count=22):
  """More than ten thousand atoms on a grid, one of them another."""
  lines = [
    f'{"HO"[not i]} H{i} {(i % count) / count} {(i // count % count) / count} '
    f'{(i // count**2) / count} 1'
    for i in range(count**3)
  ]
  head = cif(a=2.0 * count).split('Na Na1')[0]
  return head + '\n'.join(lines) + '\n'


def write(folder):
  """Writes all of them."""
  for name, first, second, a in VALID:
    (folder / f'{name}.cif').write_text(cif(first, second, a))
  (folder / 'ein Name mit Ümlaut ☃.cif').write_text(cif('Rb', 'I', 4.3))
  for name, (content, _) in BAD.items():
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
  os.symlink(folder, folder / 'loop')
