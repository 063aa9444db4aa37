"""Odd CIFs whose atoms are missing, alternatives, or of no element.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

from tests.io.odd_texts import COLUMNS, HM, ONE, cif

_LABELS = 'label fract_x fract_y fract_z'
_MMCIF = 'type_symbol label_atom_id Cartn_x Cartn_y Cartn_z'
_ARGON = 'Ar A 0 0 0\nAr B 2.8 2.8 2.8'
_OXYGEN = 'O1 O 0 0 0\nC1 C .3 0 0'


def _formula(text, tag, more=''):
  return cif(head=f"_chemical_formula_{tag} '{text}'\n{more}\n{ONE}")


def _site_column(name, *values):
  rows = zip(('O1 O 0 0 0', 'O2 O .3 0 0'), values, strict=True)
  return cif(
    '\n'.join(f'{r} {v}' for r, v in rows), columns=f'{COLUMNS} {name}'
  )


KINDS = {
  'formulas with groups': [
    *((f'{i}.cif', _formula(text, tag), 'refuse: missing')
      for i, (text, tag) in enumerate([
        ('Na Cl, 2(H2 O)', 'sum'), ('Na Cl, 2(H2 O)', 'moiety'),
        ('Na Cl (H2 O)2', 'structural'), ('NaCl . 2H2O', 'structural'),
        ('Na Cl [N H3]6', 'iupac'), ('Na 1+, Cl 1-, 2(H2 O)', 'moiety')])),
    *((f'{text}.cif', _formula(text, tag), 'Na1Cl1')
      for text, tag in [
        ('Cl 1-, Na 1+', 'moiety'), ('(Na)+, (Cl)-', 'moiety'),
        ('2(Na Cl)', 'sum'), ('(Na, K) Cl', 'structural'), ('NaCl', 'sum'),
        ('(Na Cl)n', 'moiety'), ('Na Cl)', 'sum')]),
    ('z.cif', _formula('2(Na Cl)', 'sum', '_cell_formula_units_Z 2'),
     'refuse: formula units'),
  ],
  'multiplicities under other tags': [
    *((f'{name}.cif', cif('Na1 Na 0 0 0 4a\nCl1 Cl .5 .5 .5 4b', ONE,
                          columns=f'{COLUMNS} {name}'), 'refuse: multiplicity')
      for name in ('Wyckoff_letter', 'wyckoff_label')),
    *((f'{name}.cif', cif('Na1 Na 0 0 0 4\nCl1 Cl .5 .5 .5 4', ONE,
                          columns=f'{COLUMNS} {name}'), 'refuse: multiplicity')
      for name in ('multiplicity', 'site_multiplicity')),
    ('right.cif', cif('Na1 Na 0 0 0 4a\nCl1 Cl .5 .5 .5 4b', HM,
                      columns=f'{COLUMNS} Wyckoff_letter'), 'Na4Cl4'),
  ],
  'occupancies under other tags': [
    *((f'{name}.cif', _site_column(name, 1, '.5'), 'refuse: partial')
      for name in ('occupancy_factor', 'occup', 'site_occupancy_factor',
                   'population', 'occ_factor', 'frac', 'occupancy_fraction')),
    ('a.cif', _site_column('refinement_flags', 'P', '.'), 'refuse: partial'),
    ('b.cif', _site_column('refinement_flags_occupancy', '.', 'P'),
     'refuse: partial'),
    ('c.cif', _site_column('occupancy refinement_flags', '1 P', '1 P'), 'O2'),
    ('d.cif', _site_column('refinement_flags_posn', 'S', 'R'), 'O2'),
    ('e.cif', _site_column('occupancy_su', '.01', '.02'), 'O2'),
    ('f.cif', _site_column('disorder_group_id', 'A', 'B'), 'refuse: disorder'),
    ('g.cif', _site_column('occupancy disorder_group', '1 .', '? 1'),
     'refuse: disorder'),
    ('h.cif', _site_column('occupancy disorder_group', '? .', '1 1'), 'O2'),
    *((f'{name}.cif', _site_column(name, 'A', 'B'), 'refuse: alternative A')
      for name in ('alt_id', 'auth_alt_id')),
  ],
  'atoms that other tags state': [
    ('a.cif', cif(_OXYGEN, 'loop_\n_chemical_conn_atom_number\n'
                  '_chemical_conn_atom_NH\n1 1\n2 3'), 'refuse: states hydro'),
    ('b.cif', cif(_OXYGEN, 'loop_\n_chemical_conn_atom_number\n'
                  '_chemical_conn_atom_NH\n1 0\n2 0'), 'C1O1'),
    ('c.cif', cif('O1 O 0 0 0 ?\nC1 C .3 0 0 3',
                  columns=f'{COLUMNS} calc_attached_hydrogens'),
     'refuse: attached hydrogens'),
    ('d.cif', cif(_OXYGEN, 'loop_\n_platon_squeeze_void_nr\n'
                  '_platon_squeeze_void_count_electrons\n1 120'),
     'refuse: a mask of solvent'),
    ('e.cif', cif(_OXYGEN, '_smtbx_masks_void_count_electrons 45.0'),
     'refuse: a mask of solvent'),
    ('f.cif', cif(_OXYGEN, '_smtbx_masks_void_count_electrons 0.0'), 'C1O1'),
    ('g.cif', cif(_ARGON, 'loop_\n_struct_ncs_oper.id\n_struct_ncs_oper.code\n'
                  '1 given\n2 generate', columns=_MMCIF),
     'refuse: without positions'),
    ('h.cif', cif(_ARGON, 'loop_\n_struct_ncs_oper.id\n_struct_ncs_oper.code\n'
                  '1 given', columns=_MMCIF), 'Ar2'),
    *((f'{name}.cif', cif(_ARGON, f'_pdbx_unobs_or_zero_occ_{name}.id 1',
                          columns=_MMCIF), 'refuse: without positions')
      for name in ('atoms', 'residues')),
  ],
  'types that are unknown': [
    ('a.cif', cif('Na1 ? 0 0 0\nCl1 ? .5 .5 .5', HM), 'Na4Cl4'),
    ('b.cif', cif('Na1 ? 0 0 0\nCl1 Cl .5 .5 .5', HM),
     'refuse: unknown species'),
  ],
  'labels of molecules and mixtures': [
    *((f'{label}.cif', cif(f'{label} 0 0 0', columns=_LABELS),
       'refuse: unknown species')
      for label in ('H2O', 'H2O1', 'OH', 'OH1', 'CH3', 'CH2A', 'NH4', 'SO4',
                    'BF4', 'ClO4', 'SiO4', 'BO3', 'Fe1Mg', 'Fe.5Mg.5', 'HOH')),
    *((f'{label}.cif', cif(f'{label} 0 0 0', columns=_LABELS), outcome)
      for label, outcome in [
        ('OW1', 'O1'), ('O1w', 'O1'), ('Na_1', 'Na1'), ('CaM2', 'Ca1'),
        ('C1A', 'C1'), ('SiT1', 'Si1'), ("O1'", 'O1'), ('Ho1', 'Ho1')]),
    ('a.cif', cif('OH1 0 0 0\nH1 .2 0 0', "_chemical_formula_sum 'O H'",
                  columns=_LABELS), 'H1O1'),
  ],
}  # fmt: skip
