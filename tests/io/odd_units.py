"""Odd files of further kinds: lengths in another unit, contradictions.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

from tests.io.odd_texts import (
  COLUMNS,
  GENERAL,
  HM,
  ONE,
  F,
  cif,
  operations,
  pdb,
  shelx,
  vasp,
  xyz,
)

_UNIT = 'refuse: are the lengths in'
_NM = 'refuse: are the lengths in nm or Bohr'
_SI2 = 'Si1 Si 0 0 0\nSi2 Si .25 .25 .25'
_FD3M = "_space_group_name_H-M_alt 'F d -3 m:1'"


def _cubic(length):
  return (length, length, length, 90, 90, 90)


def _fcc(length):
  return (length, length, length, 60, 60, 60)


KINDS = {
  'lengths in another unit': [
    # nm: silicon, caesium, xenon, whatever the format and the symmetry.
    ('a.cif', cif(_SI2, cell=_fcc(0.384)), _NM),
    ('b.cif', cif('Si1 Si 0 0 0', _FD3M, _cubic(0.5431)), _NM),
    ('c.cif', cif('Si1 Si 0 0 0', cell=_cubic(0.5431)), _NM),
    ('d.cif', cif('Cs1 Cs 0 0 0\nCs2 Cs .5 .5 .5', cell=_cubic(0.614)), _NM),
    ('e.cif', cif('Xe1 Xe 0 0 0', "_space_group_name_H-M_alt 'F m -3 m'",
                  _cubic(0.613)), _NM),
    ('f.vasp', vasp('x', species='Na Cl', scale='0.1'), _NM),
    ('g.vasp', vasp('x', species='Cs Cs', scale='0.146'), _NM),
    ('h.vasp', vasp('x', species='Na Cl', scale='-0.04485'), _NM),
    ('i.extxyz', xyz(lattice='Lattice=".614 0 0 0 .614 0 0 0 .614"',
                     rows='Cs 0 0 0\nCs .307 .307 .307'), _NM),
    ('j.extxyz', xyz(lattice='Lattice="0 .282 .282 .282 0 .282 .282 .282 0"',
                     rows='Na 0 0 0\nCl .282 .282 .282'), _NM),
    ('k.res', shelx(sites='Mg 1 .1 .2 .3 11.0 .05',
                    cell='.5 .6 .7 80 95 100'), _NM),
    ('l.pdb', pdb('P 1', [('CS', 0.0)]).replace('5.640', '0.614'), _NM),
    # A slab in vacuum: much room per atom, in nm too.
    ('m.cif', cif('Cs1 Cs 0 0 0', cell=(0.45, 0.45, 4, 90, 90, 90)), _NM),
    # pm, and ten times too large.
    ('n.cif', cif(_SI2, cell=_cubic(54.31)), _UNIT),
    ('o.cif', cif('Si1 Si 0 0 0', _FD3M, _cubic(543.1)), _UNIT),
    ('p.vasp', vasp('x', species='Na Cl', scale='100'), _UNIT),
    # Right: dense hydrogen and helium, a single atom in vacuum, a dimer.
    ('q.cif', cif('H1 H 0 0 0', cell=_cubic(1.05)), 'H1'),
    ('r.cif', cif('He1 He 0 0 0', cell=_fcc(1.3)), 'He1'),
    ('s.cif', cif('Na1 Na 0 0 0', cell=_cubic(20)), 'Na1'),
    ('t.cif', cif('N1 N 0 0 0\nN2 N .0365 0 0', cell=_cubic(30)), 'N2'),
    ('u.cif', cif('C1 C 0 0 0\nC2 C .5 .5 .5', cell=_cubic(2.5)), 'C2'),
  ],
  'a stated volume': [
    ('a.cif', cif(head=f'{ONE}\n_cell_volume 44.85'), 'refuse: _cell_volume'),
    ('b.cif', cif(head=f'{ONE}\n_cell_volume 1794'), 'refuse: _cell_volume'),
    ('c.cif', cif(head=f'{ONE}\n_cell.volume 0.1794'), 'refuse: _cell_volume'),
    ('d.cif', cif(head=f'{ONE}\n_cell_volume 179.4(2)'), 'Na1Cl1'),
    ('e.cif', cif(head=f'{ONE}\n_cell_volume ?'), 'Na1Cl1'),
    ('f.cif', cif(head=f'{ONE}\n_cell_volume 0'), 'Na1Cl1'),
  ],
  'further species': [
    ('a.cif', cif('N1 TM 0 0 0'), 'refuse: unknown species'),
    ('b.cif', cif('N1 RE 0 0 0'), 'refuse: unknown species'),
    ('c.cif', cif('N1 Fe2+0.5 0 0 0'), 'refuse: unknown species'),
    ('d.cif', cif('N1 Fe2+0.5 0 0 0', '_chemical_formula_sum Fe'),
     'refuse: unknown species'),
    ('e.cif', cif('N1 TM 0 0 0', '_chemical_formula_sum Tm'), 'Tm1'),
    ('f.cif', cif('N1 Fe2.67+ 0 0 0'), 'Fe1'),
    ('g.cif', cif('N1 Fe+3 0 0 0'), 'Fe1'),
    ('h.cif', cif('N1 S6+ 0 0 0'), 'S1'),
    ('i.cif', cif('N1 H3O+ 0 0 0'), 'refuse: unknown species'),
  ],
  'disorder without groups': [
    ('a.cif', cif('O1 O 0 0 0 A\nO1 O .2 0 0 B',
                  columns=f'{COLUMNS} disorder_assembly'), 'refuse: disorder'),
    ('b.cif', cif('O1 O 0 0 0 .\nO2 O .2 0 0 .',
                  columns=f'{COLUMNS} disorder_assembly'), 'O2'),
  ],
  'further operations': [
    ('a.cif', cif(GENERAL, operations('x,y,z', 'y,z,x', 'z,x,y')), 'Ti3O3'),
    ('b.cif', cif(GENERAL, operations('x,y,z', '2x,y,z')), 'refuse: '),
    ('c.cif', cif(GENERAL, operations('x,y,z', 'x,y,x')), 'refuse: '),
    ('d.cif', cif(head=operations(*F[:3], 'x+1/2,y+1/2,w')), 'refuse: '),
    ('e.cif', cif(head=f"{HM}\n_cell_formula_units_Z 2\n"
                  "_chemical_formula_sum 'Na Cl'"), 'refuse: formula units'),
  ],
}  # fmt: skip
