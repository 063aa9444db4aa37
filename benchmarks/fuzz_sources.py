"""Sound files that `benchmarks.fuzz` mutates."""

from __future__ import annotations

import io
import pathlib

import ase.build
import ase.io
import numpy as np

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Folder of the codec whose card is mutated.
WEIGHTS = _ROOT / 'crystal_jax' / 'weights' / 'perov_5'


def written_files(file_format: str) -> list[bytes]:
  """Files of some crystals, as ASE writes them."""
  found = []
  for atoms in _atoms():
    buffer = io.BytesIO() if file_format == 'cif' else io.StringIO()
    ase.io.write(buffer, atoms, format=file_format)
    text = buffer.getvalue()
    found.append(text if isinstance(text, bytes) else text.encode())
  return found


def cifs() -> list[bytes]:
  """Plain ones, and some of the forms that databases write."""
  symmetric = b"""data_x
_cell_length_a 5.64(1)
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
_space_group_IT_number 225
_chemical_formula_sum 'Na Cl'
_cell_formula_units_Z 4
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na+ 0 0 0 1.0
Cl1 Cl- 0.5 0.5 0.5 1.0
"""
  operations = b"""loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
'-x,-y,-z'
'x,y+1/2,z+1/2'
'-x,-y+1/2,-z+1/2'
"""
  lines = symmetric.split(b'\n')
  listed = b'\n'.join([*lines[:7], operations, *lines[11:]])
  return [*written_files('cif'), symmetric, listed]


def npzs() -> list[bytes]:
  """Compact files of one crystal, with and without compression."""
  found = []
  for save in np.savez, np.savez_compressed:
    buffer, atoms = io.BytesIO(), _atoms()[0]
    save(
      buffer,
      numbers=atoms.numbers.astype(np.uint8),
      frac=atoms.get_scaled_positions().astype(np.float32),
      cell=np.float32([atoms.cell.array]),
      offsets=np.int64([0, len(atoms)]),
      ids=np.array(['x']),
      band_gap=np.float32([5.0]),
    )
    found.append(buffer.getvalue())
  return found


def cards() -> list[bytes]:
  """Card of a codec."""
  return [(WEIGHTS / 'card.json').read_bytes()]


def _atoms() -> list[ase.Atoms]:
  return [
    ase.build.bulk('NaCl', 'rocksalt', 5.64, cubic=True),
    ase.build.bulk('Ti', 'hcp', 2.95, 4.68),
    ase.build.bulk('C', 'diamond', 3.57) * (2, 1, 1),
  ]
