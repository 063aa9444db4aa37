"""Writers of small files of each format, and cells and sites for them."""

CUBIC = (5.64, 5.64, 5.64, 90, 90, 90)
NACL = 'Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5'
COLUMNS = 'label type_symbol fract_x fract_y fract_z'


def cif(sites=NACL, head='', cell=CUBIC, columns=COLUMNS, tail=''):
  """A CIF; `head` is the text between cell and sites."""
  names = 'length_a length_b length_c angle_alpha angle_beta angle_gamma'
  lines = [
    f'_cell_{name} {value}'
    for name, value in zip(names.split(), cell, strict=True)
    if value is not None
  ]
  lines += [head, 'loop_', *(f'_atom_site_{c}' for c in columns.split())]
  return '\n'.join(['data_x', *lines, sites, tail, ''])


def operations(*listed, tag='_space_group_symop_operation_xyz'):
  return '\n'.join(['loop_', tag, *(f"'{one}'" for one in listed)])


F = ('x,y,z', 'x,y+1/2,z+1/2', 'x+1/2,y,z+1/2', 'x+1/2,y+1/2,z')
HM = "_space_group_name_H-M_alt 'F m -3 m'"
ONE = operations('x,y,z')


def vasp(title, counts='1 1', rows='0 0 0\n.5 .5 .5', mode='Direct', species='',
         scale='1.0'):  # fmt: skip
  lattice = '0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0'
  above = f'{species}\n' if species else ''
  return f'{title}\n{scale}\n{lattice}\n{above}{counts}\n{mode}\n{rows}\n'


def xyz(properties='species:S:1:pos:R:3', rows='Na 0 0 0\nCl 2.8 2.8 2.8',
        lattice='Lattice="0 2.8 2.8 2.8 0 2.8 2.8 2.8 0"', rest='',
        count=2):  # fmt: skip
  return f'{count}\n{lattice} Properties={properties} {rest}\n{rows}\n'


def pdb(group='F m -3 m', sites=(('NA', 0.0), ('CL', 2.82)), alt=' ',
        occupancy=1.0, more=''):  # fmt: skip
  lines = [
    f'CRYST1    5.640    5.640    5.640  90.00  90.00  90.00 {group:<11}   4'
  ]
  for i, (symbol, x) in enumerate(sites):
    lines.append(
      f'HETATM{i + 1:5d} {symbol:<4}{alt}{symbol:<3} A   1    '
      f'{x:8.3f}{x:8.3f}{x:8.3f}{occupancy:6.2f}  0.00          {symbol:>2}'
    )
  return '\n'.join([*lines, more, 'END', ''])


TWO = 'Mg 1 .1 .2 .3 11.0 .05\nO 2 .4 .2 .3 11.0 .05'


def shelx(latt='-1', symm=(), sites=TWO, more='', cell='5 6 7 80 95 100'):
  listed = '\n'.join(f'SYMM {one}' for one in symm)
  return (
    f'TITL x\nCELL 0.7 {cell}\nZERR 1 0 0 0 0 0 0\nLATT {latt}\n'
    f'{listed}\nSFAC Mg O\n{more}\n{sites}\nHKLF 4\nEND\n'
  )


MONOCLINIC_C = (5.1, 5.3, 5.2, 90, 90, 99.2)
RHOMBOHEDRAL = (4.75, 4.75, 4.75, 57.2, 57.2, 57.2)
FCC = (3.988, 3.988, 3.988, 60, 60, 60)
HEXAGONAL = (4.5, 4.5, 5.9, 90, 90, 120)
GENERAL = 'Ti1 Ti 0.1 0.2 0.3\nO1 O 0.4 0.1 0.6'
ALL_EIGHT = '\n'.join(
  f'{s}{i} {s} {x} {y} {z}'
  for s, h in (('Na', 0), ('Cl', 0.5))
  for i, (x, y, z) in enumerate(
    [(h, h, h), (h, h + 0.5, h + 0.5), (h + 0.5, h, h + 0.5),
     (h + 0.5, h + 0.5, h)]
  )
)  # fmt: skip
