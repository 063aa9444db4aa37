"""Odd JSON files: OPTIMADE entries, pymatgen's structures, ASE's databases.

Layout as in `odd_files`: kind, file name, text, and the right outcome.
"""

import json

import numpy as np

_CELL = (2.82 * (1 - np.eye(3))).tolist()
_POSITIONS = [[0, 0, 0], [2.82, 2.82, 2.82]]
_SPECIES = [{'name': s, 'chemical_symbols': [s]} for s in ('Na', 'Cl')]
_MISSING = 'refuse: missing or too many'
_CONTRADICT = 'refuse: contradict each other'


def _optimade(**fields):
  entry = {
    'lattice_vectors': _CELL, 'cartesian_site_positions': _POSITIONS,
    'species_at_sites': ['Na', 'Cl'], 'species': _SPECIES,
  }  # fmt: skip
  return json.dumps({'data': [{'id': '1', 'attributes': entry | fields}]})


def _pymatgen(**lattice):
  sites = [
    {'species': [{'element': symbol, 'occu': 1}], 'abc': position}
    for symbol, position in (('Na', [0, 0, 0]), ('Cl', [0.5, 0.5, 0.5]))
  ]
  lattice = {'matrix': _CELL} | lattice
  return json.dumps({'@class': 'Structure', 'lattice': lattice, 'sites': sites})


def _ase(**fields):
  row = {
    'numbers': [11, 17], 'positions': _POSITIONS, 'cell': _CELL,
    'pbc': [True, True, True],
  }  # fmt: skip
  row = {key: v for key, v in (row | fields).items() if v is not None}
  return json.dumps({'1': row, 'ids': [1], 'nextid': 2})


def _attached(**more):
  return [_SPECIES[0] | more, _SPECIES[1]]


KINDS = {
  'sites of OPTIMADE that are not the cell': [
    *((f'{span}.json', _optimade(site_coordinate_span=span),
       'refuse: site_coordinate_span')
      for span in ('asymmetric_unit', 'molecular_entities', 'other')),
    ('a.json', _optimade(site_coordinate_span='unit_cell'), 'Na1Cl1'),
    ('b.json', _optimade(nperiodic_dimensions=2), 'refuse: periodic in 3'),
    ('c.json', _optimade(nperiodic_dimensions=0, dimension_types=None),
     'refuse: periodic in 3'),
    ('d.json', _optimade(nperiodic_dimensions=3), 'Na1Cl1'),
  ],
  'contradictions of OPTIMADE': [
    ('a.json', _optimade(chemical_formula_reduced='Cl2Na'), _MISSING),
    ('b.json', _optimade(chemical_formula_reduced='ClNa'), 'Na1Cl1'),
    ('c.json', _optimade(elements=['Cl', 'H', 'Na']), _MISSING),
    ('d.json', _optimade(elements=['Cl', 'Na'], nelements=2), 'Na1Cl1'),
    ('e.json', _optimade(nelements=3), _MISSING),
    ('k.json', _optimade(elements=['Cl', 'Na'], elements_ratios=[0.75, 0.25]),
     _MISSING),
    ('l.json', _optimade(elements=['Cl', 'Na'], elements_ratios=[0.5, 0.5]),
     'Na1Cl1'),
    ('m.json', _optimade(elements=['Cl', 'Na'], elements_ratios=['a', 'b']),
     'Na1Cl1'),
    ('n.json', _optimade(chemical_formula_reduced='Cl(Na'), 'refuse: formula'),
    ('f.json', _optimade(fractional_site_positions=[[0, 0, 0], [0.2, 0, 0]]),
     _CONTRADICT),
    ('g.json', _optimade(fractional_site_positions=[[0] * 3, [0.5] * 3]),
     'Na1Cl1'),
    ('h.json', _optimade(species=[*_SPECIES, _SPECIES[0]]),
     'refuse: described twice'),
    ('i.json', _optimade(species=_attached(attached=['H'])),
     'refuse: attached'),
    ('j.json', _optimade(species=_attached(attached=['H'], nattached=[2])),
     'refuse: attached'),
  ],
  'damaged JSON of pymatgen and ASE': [
    ('a.json', _pymatgen(a=5.64, b=5.64, c=5.64), _CONTRADICT),
    ('b.json', _pymatgen(alpha=90), _CONTRADICT),
    ('c.json', _pymatgen(a=3.98808, alpha=60, volume=44.85), 'Na1Cl1'),
    ('d.json', _ase(), 'Na1Cl1'),
    ('e.json', _ase(numbers=[11.5, 17]), 'refuse: damaged'),
    ('f.json', _ase(pbc=None), 'refuse: damaged'),
    ('g.json', _ase(cell=None), 'refuse: damaged'),
  ],
}  # fmt: skip
