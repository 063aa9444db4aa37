"""Odd files that programs write: dictionaries and dialects of their own.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

import json

import numpy as np

from tests.io.odd_texts import (
  ALL_EIGHT,
  COLUMNS,
  FCC,
  HM,
  ONE,
  TWO,
  F,
  cif,
  operations,
  pdb,
  shelx,
  vasp,
  xyz,
)

_LABELS = 'label fract_x fract_y fract_z'
_MAGNETIC = '_space_group_symop_magn_operation.xyz'
_CENTRINGS = '_space_group_symop_magn_centering.xyz'
_TIMED = tuple(f'{one},{sign}1' for one, sign in zip(F, '+--+', strict=True))
_SUPERSPACE = '_space_group_symop_ssg_operation_algebraic'
_SECOND = shelx(sites='Mg 1 .1 .2 .3 11.0 .05')
_AIRSS = (
  'TITL a-1 0.0 44.8 -9.1 0 0 2 (Fm-3m) n - 1\nREM\nCELL 1.5418 3.988 3.988 '
  '3.988 60 60 60\nLATT -1\nSFAC Cl Na\nCl 1 .5 .5 .5 1.0\nNa 2 0 0 0 1.0\nEND'
  '\n'
)
_ONE_FRAME = pdb('P 1')
_LATTICE = 2.82 * (1 - np.eye(3))
_SMTRY = ''.join(
  f'REMARK 290   SMTRY1   {i + 1} {sign:9.6f}  0.000000  0.000000        '
  '0.00000\n' for i, sign in enumerate((1, -1))
)  # fmt: skip
_DUMP = (
  'ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n'
  '0 5.64\n0 5.64\n0 5.64\nITEM: ATOMS id {0} xs ys zs\n2 {2} .5 .5 .5\n'
  '1 {1} 0 0 0\n'
)
_CELL = (
  '%BLOCK LATTICE_ABC\n5.64 5.64 5.64\n90 90 90\n%ENDBLOCK LATTICE_ABC\n'
  '%BLOCK POSITIONS_FRAC\nNa 0 0 0\nCl .5 .5 .5{}\n%ENDBLOCK POSITIONS_FRAC\n'
)


def _scale(inverse):
  return '\n'.join(
    f'SCALE{i + 1}    ' + ''.join(f'{x:10.6f}' for x in row) + '        0.00000'
    for i, row in enumerate(inverse * np.eye(3))
  )


def _pymatgen(xyz=(2.82, 2.82, 2.82)):
  sites = [
    {'species': [{'element': 'Na', 'occu': 1}], 'abc': [0, 0, 0]},
    {'species': [{'element': 'Cl', 'occu': 1}], 'abc': [0.5, 0.5, 0.5],
     'xyz': xyz},
  ]  # fmt: skip
  lattice = {'matrix': _LATTICE.tolist()}
  return json.dumps({'@class': 'Structure', 'lattice': lattice, 'sites': sites})


def _formula(formula, label='O1', tag='sum'):
  return cif(
    f'Na1 0 0 0\n{label} .5 .5 .5',
    f"{ONE}\n_chemical_formula_{tag} '{formula}'",
    columns=_LABELS,
  )


KINDS = {
  'several lists of operations': [
    ('a.mcif', cif(head=f'{ONE}\n{operations(*_TIMED, tag=_MAGNETIC)}'),
     'refuse: two different lists'),
    ('b.mcif', cif(head='\n'.join([
      ONE, operations(*(f'{one},+1' for one in F), tag=_CENTRINGS)])),
     'refuse: two different lists'),
    ('c.mcif', cif(head='\n'.join([
      operations(*F), operations(*_TIMED, tag=_MAGNETIC)])), 'Na4Cl4'),
    ('d.cif', cif(head='\n'.join([
      operations(*F, tag='_symmetry_equiv_pos_as_xyz'),
      operations('+X,+Y,+Z', '1/2+x,1/2+y,z', 'x+.5,y,z+.5', F[1])])),
     'Na4Cl4'),
    ('e.cif', cif(head=operations('x,\ty,\tz', *F[1:])), 'Na4Cl4'),
    ('f.mcif', cif(head=operations(*_TIMED[1:], tag=_CENTRINGS)),
     'refuse: lack the identity'),
  ],
  'symmetry in words of a program': [
    ('a.cif', cif(head="_crystal_symmetry 'F m -3 m'"), 'refuse: list its'),
    ('b.cif', cif(head="_hermann_mauguin 'F m -3 m'"), 'refuse: list its'),
    ('c.cif', cif(head="_symmetry_space_group_name_H-M 'FM-3M'"), 'Na4Cl4'),
    ('d.cif', cif(head="_symmetry_space_group_name_H-M 'F_m_-3_m'"), 'Na4Cl4'),
    ('e.cif', cif(head="_symmetry_space_group_name_H-M 'F m 3 m'\n"
                  '_symmetry_cell_setting cubic'), 'Na4Cl4'),
    ('f.cif', cif(head='\n'.join([
      ONE, '_cell_subsystems_number 2'])), 'refuse: modulated'),
    ('g.cif', cif(head='\n'.join([
      ONE, 'loop_\n_atom_site_Fourier_wave_vector_seq_id\n'
      '_atom_site_Fourier_wave_vector_x\n1 0.25'])), 'refuse: modulated'),
    ('h.cif', cif(head=ONE, tail='loop_\n_atom_site_displace_Fourier_axis\nx'),
     'refuse: modulated'),
    ('i.cif', cif(head=operations('x1,x2,x3,x4', tag=_SUPERSPACE)),
     'refuse: modulated'),
    ('j.cif', cif('Na1 Na 0 0 0\nCl1 Cl 0 0 .5', '\n'.join([
      "_space_group_name_H-M_alt 'I 4/m m m'",
      "_space_group.transform_Pp_abc '1/2a-1/2b,1/2a+1/2b,c;0,0,0'",
      operations('x,y,z', 'x+1/2,y+1/2,z+1/2')]),
      (3.988, 3.988, 5.64, 90, 90, 90)), 'Na2Cl2'),
  ],
  'other formulas, multiplicities and occupancies': [
    ('a.cif', _formula('Na O H', tag='moiety'), 'refuse: missing'),
    ('b.cif', _formula('Na O H', tag='structural'), 'refuse: missing'),
    ('c.cif', _formula('Na +, O -', tag='moiety'), 'Na1O1'),
    ('d.cif', _formula('(Na,K) (O H)', tag='structural'), 'Na1O1'),
    ('e.cif', cif('Na1 Na 0 0 0 4a\nCl1 Cl .5 .5 .5 4b', ONE,
                  columns=f'{COLUMNS} Wyckoff_symbol'),
     'refuse: multiplicity 4'),
    ('f.cif', cif('Na1 Na 0 0 0 4a\nCl1 Cl .5 .5 .5 4b', HM,
                  columns=f'{COLUMNS} Wyckoff_symbol'), 'Na4Cl4'),
    ('g.cif', cif('Na1 Na 0 0 0 a\nCl1 Cl .5 .5 .5 b', HM,
                  columns=f'{COLUMNS} Wyckoff_letter'), 'Na4Cl4'),
    *((f'{name}.cif', cif('O1 O 0 0 0 1\nO2 O .2 0 0 .5',
                          columns=f'{COLUMNS} {name}'), 'refuse: partial')
      for name in ('sof', 'occupation', 'chemical_occupancy')),
    ('h.cif', cif('O1 O 0 0 0 1.00(2)\nO2 O .2 0 0 1.',
                  columns=f'{COLUMNS} occupancy'), 'O2'),
    ('i.cif', cif('Ar1 Ar 0 0 0 1\nAr2 Ar .2 .2 .2 2',
                  columns=f'{COLUMNS} pdbx_PDB_model_num'), 'refuse: models'),
    ('j.cif', cif('Na1 Na 0 0 0 1\nCl1 Cl .5 .5 .5 1',
                  columns=f'{COLUMNS} pdbx_PDB_model_num'), 'Na1Cl1'),
  ],
  'labels without types': [
    *((f'{i}.cif', _formula('Na O', label), 'Na1O1')
      for i, label in enumerate(['Oa1', 'Ow', 'Oh2', 'OCo', 'O_1', 'OW1'])),
    ('a.cif', _formula('Na O2 H2', 'Ow'), 'refuse: missing'),
    ('b.cif', cif('FeMg 0 0 0\nO1 .5 .5 .5', columns=_LABELS),
     'refuse: unknown species'),
    ('c.cif', cif('AlSi1 0 0 0\nO1 .5 .5 .5', columns=_LABELS),
     'refuse: unknown species'),
    ('d.cif', cif('SiT1o 0 0 0\nMgM2 .5 .5 .5', columns=_LABELS), 'Si1Mg1'),
    ('e.cif', _formula('Na W', 'Wat'), 'refuse: unknown species'),
    ('f.cif', cif('Ow1 0 0 0', columns=_LABELS), 'refuse: unknown species'),
  ],
  'dialects of SHELX': [
    ('a.res', shelx(sites=f'{TWO}\nFRAG 17 5 5 5 90 90 90\nC1 1 .1 .1 .1\n'
                    'C2 1 .6 .6 .6\nFEND'), 'Mg1O1'),
    ('b.res', shelx() + _SECOND, 'Mg1O1|Mg1|refuse: holds 2'),
    ('c.res', f'{shelx()}\nREM R1 = 0.02\nWGHT .02\nQ1 1 .1 .1 .1 11. .05 .2\n'
     f'{_SECOND}', 'Mg1O1|Mg1|refuse: holds 2'),
    ('d.res', f'{_AIRSS}{_AIRSS}', 'Na1Cl1|refuse: holds 2'),
    ('e.res', _AIRSS, 'Na1Cl1'),
    ('f.res', shelx(more='HOPE 1\nMOLE 1\nTEMP -100'), 'Mg1O1'),
    ('g.res', f'TITL of another one\n{shelx()}', 'Mg1O1'),
    ('h.res', shelx(more='SPIN 2'), 'refuse: neither an instruction'),
    ('i.res', shelx(sites='O1 2 .1 .2 .3 11. .05\nH1 3 .2 .2 .3 11. .05\n'
                    'D1 4 .1 .3 .3 11. .05', more='SFAC H D\nUNIT 0 1 1 1'),
     'O1H2'),
    ('j.res', shelx(sites='Mg1 1 .1 .2 .3 11. .05\nMg2 3 .4 .2 .3 11. .05',
                    more='SFAC Mg\nUNIT 1 0 1'), 'Mg2'),
  ],
  'frames and SCALE of PDB': [
    ('a.pdb', f'REMARK 0\n{_ONE_FRAME}REMARK 1\n{_ONE_FRAME}',
     'Na1Cl1|refuse: holds 2'),
    ('b.pdb', _ONE_FRAME + _ONE_FRAME.replace(' 5.640', ' 6.100'),
     'refuse: different cells'),
    ('c.pdb', f'{_ONE_FRAME[:-4]}ENDMDL\nEND\n', 'Na1Cl1'),
    ('d.pdb', pdb('P 1', more=_scale(1.0)), 'refuse: SCALE'),
    ('e.pdb', pdb('P 1', more=_scale(0.1)), 'refuse: SCALE'),
    ('f.pdb', pdb('P 1', more=_scale(0.177305)), 'Na1Cl1'),
    ('g.pdb', f'HEADER\n{_SMTRY}{pdb("")}', 'refuse: REMARK 290'),
    ('h.pdb', f'HEADER\n{_SMTRY}{pdb("P -1")}', 'Na1Cl1'),
    ('i.pdb', pdb(''), 'Na1Cl1'),
  ],
  'further POSCARs': [
    ('a.vasp', vasp('POSCAR file', rows='0 0 0 F F F\n.5 .5 .5 F F F'),
     'refuse: no species'),
    ('b.vasp', vasp('x', rows='0 0 0 F F F\n.5 .5 .5 T T F', species='Na F'),
     'Na1F1'),
    ('c.vasp', vasp('x', rows='0 0 0 Na\n.5 .5 .5 F'), 'Na1F1'),
    ('d.vasp', vasp('x', species='Na Cl') + vasp('KBr', species='K Br'),
     'refuse: second structure'),
    ('e.vasp', vasp('x', species='Na Cl') + 'Lattice velocities and vectors\n 1'
     + '\n .1 0 0\n 0 .1 0\n 0 0 .1' * 2 + '\n\n .1 .2 .3\n .1 .2 .3\n',
     'Na1Cl1'),
    ('f.vasp', vasp('x', species='Na Cl') + 'Cartesian\n .1 .2 .3\n .1 .2 .3\n',
     'Na1Cl1'),
    ('SPOSCAR', vasp('generated by phonopy', species='Na Cl'), 'Na1Cl1'),
    ('NaCl_CONTCAR', vasp('x', species='Na_pv/a1b2 Cl/0f'), 'Na1Cl1'),
  ],
  'further extxyz': [
    ('a.extxyz', xyz(rows='Na 1 0 0 0\nCl 2 2.8 2.8 2.8'),
     'refuse: 5 columns of 4'),
    ('b.xyz', '2\nLattice="0 2.8 2.8 2.8 0 2.8 2.8 2.8 0"\nNa 0 0 0 .1\n'
     'Cl 2.8 2.8 2.8 .1\n', 'Na1Cl1'),
    ('c.extxyz', xyz(rest=r'occupancy="_JSON {\"0\": {\"Na\": 0.5, \"K\": 0.5},'
                     r' \"1\": {\"Cl\": 1.0}}"'), 'refuse: partial'),
    ('d.extxyz', xyz(rest=r'occupancy="_JSON {\"0\": {\"Na\": 1.0}}"'),
     'Na1Cl1'),
    ('e.extxyz', xyz(rest=r'occupancy="_JSON {\"0\": "'),
     'refuse: malformed JSON'),
    ('f.extxyz', xyz(rest='spacegroup="F m -3 m" unit_cell=conventional '
                     'Origin="0 0 0"'), 'Na1Cl1'),
  ],
  'further formats': [
    ('a.json', _pymatgen(), 'Na1Cl1'),
    ('b.json', _pymatgen((1, 1, 1)), 'refuse: contradict each other'),
    ('c.lammpstrj', _DUMP.format('element', 'Na', 'Cl'), 'Na1Cl1'),
    ('d.lammpstrj', _DUMP.format('type', 1, 2), 'refuse: type numbers'),
    ('e.cell', _CELL.format(''), 'Na1Cl1'),
    ('f.cell', _CELL.format(' MIXTURE:(1 0.5)'), 'refuse: MIXTURE'),
    ('g.cif', f'data_x\n\0{cif()[7:]}', 'refuse: not plain text'),
    ('h.vasp', '\0'.join(vasp('x', species='Na Cl')), 'refuse: not plain text'),
    ('i.cif', f'\ufeff{cif(ALL_EIGHT, ONE)}', 'Na4Cl4'),
    ('j.cif', cif(head="_symmetry_space_group_name_H-M 'P1'", cell=FCC),
     'Na1Cl1'),
    ('k.cif', f'{cif()}data_b\nloop_\n_atom_site_aniso_label\n'
     '_atom_site_aniso_U_11\nNa1 .01\nCl1 .01\n', 'Na1Cl1'),
  ],
}  # fmt: skip
