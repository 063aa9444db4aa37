"""Odd files whose statements of symmetry contradict, or have odd names.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

from tests.io.odd_texts import (
  ALL_EIGHT,
  GENERAL,
  HEXAGONAL,
  HM,
  ONE,
  F,
  cif,
  operations,
)

_MONOCLINIC = (5.1, 5.3, 5.2, 90, 99.2, 90)
_TETRAGONAL = (3.9, 3.9, 4.1, 90, 90, 90)
_HALL = "_space_group_name_Hall '-F 4 2 3'"
_CENTRES = {
  'F': F,
  'I': ('x,y,z', 'x+1/2,y+1/2,z+1/2'),
  'C': ('x,y,z', 'x+1/2,y+1/2,z'),
  'R': ('x,y,z', 'x+2/3,y+1/3,z+1/3', 'x+1/3,y+2/3,z+2/3'),
}
_LISTED = 'refuse: not those of space group'


def _named(name, cell, *listed, sites=GENERAL):
  tag = f"_symmetry_space_group_name_H-M '{name}'"
  listed = f'\n{operations(*listed)}' if listed else ''
  return cif(sites, f'{tag}{listed}', cell)


KINDS = {
  'operations under tags of a program': [
    *((f'{i}.cif', cif(head=operations(*F, tag=tag)),
       'refuse: list its symmetry operations')
      for i, tag in enumerate(
        ['_symop_operation_xyz', '_symm_equiv_pos_as_xyz', '_sym_op_xyz',
         '_equiv_pos_as_xyz', '_symmop_xyz'])),
  ],
  'lattice types under tags of a program': [
    *((f'{i}.cif', cif(head=head), 'refuse: list its symmetry operations')
      for i, head in enumerate(
        ['_cell_setting cubic', '_cell_lattice_type F', '_lattice_centring F',
         '_bravais_lattice cF', '_aflow_Pearson cF8', '_cell_centring_type F',
         '_lattice_centering F', '_lattice_system cubic',
         '_sm_pearson_symbol cF8'])),
    ('confirmed.cif', cif(ALL_EIGHT, "_aflow_Pearson cF8\n_chemical_formula_sum"
                          " 'Na Cl'\n_cell_formula_units_Z 4"), 'Na4Cl4'),
    ('listed.cif', cif(head=f'_aflow_Pearson cF8\n{operations(*F)}'), 'Na4Cl4'),
  ],
  'names that lack an axis': [
    *((f'{i}.cif', _named(name, HEXAGONAL), 'refuse: unknown space group')
      for i, name in enumerate(
        ['P 3 2', 'P 3 m', 'P -3 m', 'P 3 c', 'P 31 2', 'P 32 2', 'P -6 m'])),
    ('a.cif', _named('P 32', HEXAGONAL), 'Ti3O3'),
    ('b.cif', _named('P 3 1 2', HEXAGONAL), 'Ti6O6'),
    ('c.cif', _named('P 3 2 1', HEXAGONAL), 'Ti6O6'),
    ('d.cif', _named('C 2', _MONOCLINIC), 'Ti4O4'),
    ('g.cif', _named('P 21/b', (5.1, 5.3, 5.2, 90, 90, 99)), 'Ti4O4'),
    ('h.cif', _named('P 21/b', (5.1, 5.3, 5.2, 99, 90, 90)), 'Ti4O4'),
    ('i.cif', _named('P 21/b', _MONOCLINIC), 'refuse: does not fit'),
    ('j.cif', _named('P 21/b', (5, 6, 7, 90, 90, 90)),
     'refuse: which setting'),
    ('f.cif', _named('P 2 1 2 1 2 1', (5, 6, 7, 90, 90, 90)), 'Ti4O4'),
  ],
  'names, numbers and lists that contradict': [
    ('a.cif', cif(head=f'{HM}\n_space_group_IT_number 1\n{ONE}'), _LISTED),
    ('b.cif', cif(head='\n'.join([
      "_symmetry_space_group_name_H-M 'P 1'", _HALL, ONE])), _LISTED),
    ('c.cif', cif(head=f"{HM}\n_symmetry_space_group_name_H-M 'P 1'\n{ONE}"),
     _LISTED),
    ('d.cif', cif(ALL_EIGHT, f'{HM}\n_space_group_IT_number 1\n{ONE}'),
     'Na4Cl4'),
    ('e.cif', cif(ALL_EIGHT, f'{HM}\n_space_group_IT_number 221\n{ONE}'),
     'refuse: contradictory'),
    ('f.cif', _named('P 21/c', _MONOCLINIC, 'x,y,z', '-x,y+1/2,-z+1/2'),
     _LISTED),
    ('g.cif', _named('P 21/c', _MONOCLINIC, 'x,y,z', '-x,-y,-z'), _LISTED),
    ('h.cif', _named('P 21', _MONOCLINIC, 'x,y,z', '-x,y+1/2,-z+1/2'),
     'Ti2O2'),
    ('i.cif', _named('R -3 m', HEXAGONAL, *_CENTRES['R']), _LISTED),
    ('j.cif', _named('I 4/m m m', _TETRAGONAL, *_CENTRES['I']), _LISTED),
    ('k.cif', _named('C 2/m', _MONOCLINIC, *_CENTRES['C']), _LISTED),
    ('l.cif', _named('F m -3 m', (9, 9, 9, 90, 90, 90), *_CENTRES['F']),
     _LISTED),
    ('m.cif', _named('P 1', _MONOCLINIC, *_CENTRES['C']), 'Ti2O2'),
    ('n.cif', _named('C 1', _MONOCLINIC, *_CENTRES['C']), 'Ti2O2'),
  ],
  'signs and quotes of Unicode and CIF 2': [
    ('a.cif', cif(head=operations('x,y,z', *(
      one.replace('+', '\u2212') for one in F[1:]))), 'Na4Cl4'),
    ('b.cif', _named('F m \u20133 m', (5.64, 5.64, 5.64, 90, 90, 90),
                     sites='Na1 Na 0 0 0\nCl1 Cl \u22120.5 .5 .5'), 'Na4Cl4'),
    ('c.cif', cif(head="_space_group_name_H-M_alt '''F m -3 m'''"), 'Na4Cl4'),
    ('d.cif', cif(head='_space_group_name_H-M_alt """F m -3 m"""'), 'Na4Cl4'),
    ('e.cif', cif('Na1 Na 0 0\u00a0 0\nCl1 Cl .5 .5 .5', HM), 'Na4Cl4'),
    ('f.cif', cif('Na1 Na 0 0 0\nCl1 Cl 5\u00b75 .5 .5', HM),
     'refuse: no numbers'),
  ],
  'operations with a column of time reversal': [
    ('a.mcif', cif(head='\n'.join([
      'loop_', '_space_group_symop.magn_operation_xyz',
      '_space_group_symop.magn_operation_timereversal',
      *(f"'{one}' {sign}1" for one, sign in zip(F, '+--+', strict=True))])),
     'Na4Cl4'),
    ('b.mcif', cif(head=operations(
      'x,y,z,+1', '-x,-y', tag='_space_group_symop_magn_operation.xyz')),
     'refuse: magnetic operation'),
    ('c.cif', cif(head=f"{HM}\n_space_group.transform_Qq_xyz 'x,y,z;0,0,0'"),
     'Na4Cl4'),
  ],
  'a stated density': [
    ('a.cif', cif(head='_exptl_crystal_density_diffrn 2.164'),
     'refuse: a density of'),
    ('b.cif', cif(head=f'{HM}\n_exptl_crystal_density_diffrn 2.164(2)'),
     'Na4Cl4'),
    ('c.cif', cif(head=f'{HM}\n_exptl_crystal_density_diffrn 2164'), 'Na4Cl4'),
    ('d.cif', cif(head=f'{HM}\n_exptl_crystal_density_diffrn 4.33'),
     'refuse: a density of'),
    ('e.cif', cif(head='_exptl_crystal_density_diffrn ?'), 'Na1Cl1'),
  ],
}  # fmt: skip
