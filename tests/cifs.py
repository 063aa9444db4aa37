"""CIF files, and whether what is read is what they hold."""

import numpy as np

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
  difference = ours[:, None] - np.asarray(positions)[None]
  difference = np.abs(difference - np.round(difference)).max(-1)
  difference[crystal.numbers[:, None] != np.asarray(numbers)[None]] = 1
  return (
    difference.shape[0] == difference.shape[1]
    and ((difference < tolerance).sum(0) == 1).all()
    and ((difference < tolerance).sum(1) == 1).all()
  )


RUTILE = 'Ti Ti1 0 0 0 1.0\nO O1 0.3053(2) 0.3053 0 1.0'
