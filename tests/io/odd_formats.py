"""Odd POSCARs, extxyz, SHELX, PDB files, and inputs that ASE parses.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

from tests.io.odd_texts import TWO, pdb, shelx, vasp, xyz

_CFG = (
  'Number of particles = 2\nA = {0} Angstrom\n'
  + ''.join(f'H0({i},{j}) = {0 if i == j else 2.82} A\n'
            for i in (1, 2, 3) for j in (1, 2, 3))
  + '.NO_VELOCITY.\nentry_count = {1}\n22.99\nNa\n0 0 0{2}\n35.45\nCl\n'
  '.5 .5 .5{2}\n'
)  # fmt: skip
_ABINIT = (
  'natom 2\nntypat 2\nznucl 11 17\ntypat 1 2\nacell 1 1 1 angstrom\n'
  'rprim 0 2.82 2.82 2.82 0 2.82 2.82 2.82 0\n{}\n'
)
_CAR = (
  '!BIOSYM archive 3\nPBC=ON\nx\n!DATE\nPBC 5.64 5.64 5.64 90 90 90 {}\n'
  'NA1   0.000000000  0.000000000  0.000000000 NACL 1      xx      Na  0.000\n'
  'end\nend\n'
)
_F34 = (
  '{} 1 1\n5.64 0 0\n0 5.64 0\n0 0 5.64\n1\n1 0 0\n0 1 0\n0 0 1\n0 0 0\n'
  '2\n11 0 0 0\n17 2.82 2.82 2.82\n'
)
_OCTOPUS = (
  'PeriodicDimensions = 3\nUnitsInput = {0}\n%LatticeParameters\n {1} | {1} | '
  '{1}\n%\n%LatticeVectors\n 0 | 1/2 | 1/2\n 1/2 | 0 | 1/2\n 1/2 | 1/2 | 0\n%\n'
  '%ReducedCoordinates\n "Na" | 0 | 0 | 0\n "Cl" | 1/2 | 1/2 | 1/2\n%\n'
)
_SMTRY = ''.join(
  f'REMARK 290   SMTRY1   {i}  1.000000  0.000000  0.000000        0.00000\n'
  for i in (1, 2, 3, 4)
)
_PDB = pdb('P 1')


def _with(column):
  return xyz(f'species:S:1:pos:R:3:{column}:R:1',
             'Na 0 0 0 1\nCl 2.8 2.8 2.8 .4')  # fmt: skip


KINDS = {
  'species at the ends of some rows of a POSCAR': [
    ('a.vasp', vasp('x', species='Na Cl', rows='0 0 0 K\n.5 .5 .5'),
     'refuse: contradict line 6'),
    ('b.vasp', vasp('x', species='Na Cl', rows='0 0 0 Na\n.5 .5 .5'),
     'Na1Cl1'),
    ('c.vasp', vasp('x', rows='0 0 0 Na\n.5 .5 .5'), 'refuse: no species'),
    ('d.vasp', vasp('x', species='Na Cl', rows='0 0 0 site1\n.5 .5 .5 Cl'),
     'Na1Cl1'),
  ],
  'occupancies and units of extxyz': [
    *((f'{name}.extxyz', _with(name), 'refuse: partial')
      for name in ('site_occupancy', 'occupation', 'occupations', 'sof',
                   'occupancy_factor', 'chemical_occupancy')),
    ('forces.extxyz', _with('fractional_charge'), 'Na1Cl1'),
    *((f'{name}.extxyz', xyz(rest=rest), 'refuse: not in Å')
      for name, rest in enumerate(['units=bohr', 'length_unit=nm', 'unit=Bohr',
                                   'position_units=au', 'Lattice_unit=pm'])),
    *((f'{name}.extxyz', xyz(rest=rest), 'Na1Cl1')
      for name, rest in enumerate(['units=angstrom', 'energy_unit=au',
                                   'units=metal', 'time_unit=ps'], 5)),
  ],
  'instructions of SHELX there twice, and includes': [
    ('a.res', shelx(more='+other.res'), 'refuse: includes another file'),
    ('b.res', shelx(sites=f'{TWO}\n+atoms.ins'), 'refuse: includes another'),
    ('c.res', shelx(more='CELL 0.7 9 9 9 90 90 90'), 'refuse: CELL is there'),
    ('d.res', shelx(more='LATT 1'), 'refuse: LATT is there twice'),
  ],
  'operations of REMARK 290': [
    ('a.pdb', f'HEADER\n{_SMTRY}{pdb("P -1")}', 'refuse: REMARK 290'),
    ('b.pdb', f'HEADER\n{_SMTRY}{pdb("P 2 2 2")}', 'Na1Cl1'),
  ],
  'atoms of a PDB file that were not observed': [
    ('a.pdb', 'REMARK 465   M RES C SSSEQI\nREMARK 465     MET A     1\n'
     + _PDB, 'refuse: not observed'),
    ('b.pdb', 'REMARK 470   M RES CSSEQI  ATOMS\nREMARK 470     LYS A  13    CG'
     f'\n{_PDB}', 'refuse: not observed'),
    ('c.pdb', 'REMARK 465\nREMARK 465 MISSING RESIDUES\nREMARK 465 NONE\n'
     + _PDB, 'Na1Cl1'),
  ],
  'what ASE ignores': [
    ('inp', _OCTOPUS.format('ev_angstrom', 5.64), 'refuse: units other than'),
    ('slab.f34', _F34.format(2), 'refuse: not periodic in three'),
    ('bulk.f34', _F34.format(3), 'Na1Cl1'),
    ('a.cfg', _CFG.format('1.0', 3, ''), 'Na1Cl1'),
    ('b.cfg', _CFG.format('2.0', 3, ''), 'refuse: a length scale'),
    ('c.cfg', _CFG.format('1.0', '4\nauxiliary[0] = occ', ' .5'),
     'refuse: occupancies'),
    ('d.abi', _ABINIT.format('xcart 0 0 0 2.82 2.82 2.82 angstrom'),
     'refuse: units of xcart'),
    ('e.abi', _ABINIT.format('xred 0 0 0 .5 .5 .5\nndtset 2\nacell2 3*2'),
     'refuse: several data sets'),
    ('f.abi', _ABINIT.format('xred 0 0 0 .5 .5 .5\nntypalch 1\nmixalch .5 .5'),
     'refuse: alchemical'),
    ('g.abi', _ABINIT.format('xred 0 0 0 .5 .5 .5'), 'Na1Cl1'),
    *((f'{i}.car', _CAR.format(group), 'refuse: states a space group')
      for i, group in enumerate(['FM-3M', '225', '(Fm-3m)', '(P 21/c)'])),
    *((f'{i}.car', _CAR.format(group), 'Na1')
      for i, group in enumerate(['(P1)', '(P 1)', 'P1'], 4)),
  ],
}  # fmt: skip
