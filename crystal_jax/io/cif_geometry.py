"""Cell and site positions of a CIF, from Cartesian axes too."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from crystal_jax.io.cif_tags import Tags, number, numbers
from crystal_jax.io.operations import MAX_DISTORTION
from crystal_jax.structure.lattice import from_cell_parameters

_LENGTHS = 'cell_length_a', 'cell_length_b', 'cell_length_c'
# Å; distances of fractional and Cartesian coordinates differ by rounding only.
_MAX_CONTRADICTION = 0.05
# Largest relative difference of a stated volume, which is rounded.
_VOLUME_TOLERANCE = 0.02
_ANGLES = 'cell_angle_alpha', 'cell_angle_beta', 'cell_angle_gamma'


def read_cell(tags: Tags) -> Float[np.ndarray, '3 3']:
  """Lattice vectors as rows, Å: a along x, b in the xy plane.

  An angle that is left out is 90 degrees, as the CIF dictionary says. A cell
  without any angle is refused.

  Raises:
    ValueError: If a parameter is missing, not a number or out of range, the
      angles span no volume, or another volume is stated.
  """
  missing = [name for name in _LENGTHS if tags.value(name) is None]
  if missing:
    raise ValueError(f'no cell: _{missing[0]} is missing; add it')
  if not any(name in tags for name in _ANGLES):
    raise ValueError(
      f'no cell angles: add _{_ANGLES[0]}, _{_ANGLES[1]} and _{_ANGLES[2]}'
    )
  values = [tags.value(name) or '' for name in _LENGTHS]
  for name in _ANGLES:
    angle = tags.value(name)
    if angle is None and '?' in tags.column(name):
      raise ValueError(f'the cell angle _{name} is unknown (?); give it')
    values.append(angle or '90')
  parameters = numbers(values, 'cell parameters')
  cell = from_cell_parameters(parameters[:3], parameters[3:])
  _check_volume(tags, abs(np.linalg.det(cell)))
  return cell


def _check_volume(tags: Tags, volume: float) -> None:
  """Refuses cell parameters that the volume beside them contradicts."""
  text = tags.value('cell_volume')
  stated = number(text) if text else np.nan
  if stated > 0 and abs(stated / volume - 1) > _VOLUME_TOLERANCE:
    raise ValueError(
      f'the cell has {volume:.4g} Å³, but _cell_volume is {text}; correct one '
      'of them, or give lengths in Å'
    )


def read_sites(
  tags: Tags, cell: Float[np.ndarray, '3 3']
) -> Float[np.ndarray, 'S 3']:
  """Fractional coordinates of the sites.

  Raises:
    ValueError: If there are none, one is not a number, or the Cartesian axes
      are not understood.
  """
  columns = [tags.column(f'atom_site_fract_{x}') for x in 'xyz']
  if all(columns):
    sites = np.stack([numbers(c, 'coordinates') for c in columns], axis=1)
    _check_cartesian(tags, sites @ cell)
    return sites
  columns = [tags.column(f'atom_site_cartn_{x}') for x in 'xyz']
  if all(columns):
    sites = np.stack([numbers(c, 'coordinates') for c in columns], axis=1)
    return _to_fractional(sites, tags, cell)
  raise ValueError(
    'no atoms: sites have no coordinates _atom_site_fract_x, _y and _z'
  )


def _check_cartesian(tags: Tags, positions) -> None:
  """Refuses Cartesian coordinates that fractional ones beside them contradict.

  Axes may be turned and shifted: distances from the first site are compared.
  """
  columns = [tags.column(f'atom_site_cartn_{x}') for x in 'xyz']
  if not all(columns) or any({'.', '?'} & set(column) for column in columns):
    return
  stated = np.stack([numbers(c, 'coordinates') for c in columns], axis=1)
  distances = [
    np.linalg.norm(sites - sites[:1], axis=1) for sites in (stated, positions)
  ]
  wrong = np.abs(distances[0] - distances[1]) > _MAX_CONTRADICTION
  if wrong.any():
    raise ValueError(
      'fractional and Cartesian coordinates contradict each other, such as '
      f'those of site {int(wrong.argmax()) + 1}; delete the wrong ones'
    )


def _to_fractional(sites, tags: Tags, cell) -> Float[np.ndarray, 'S 3']:
  """Fractional coordinates of Cartesian ones, in the axes the file states."""
  matrix = _matrix(tags, 'cartn')
  if matrix is not None:  # cartesian = matrix @ fractional + vector
    shift = _vector(tags, 'cartn')
    fractional = (sites - shift) @ _inverse(matrix).T
  else:
    to_fractional = _matrix(tags, 'fract')
    if to_fractional is None:
      if tags.known('atom_sites_cartn_transform_axes'):
        raise ValueError(
          'the Cartesian axes are stated in words only; give fractional '
          'coordinates or _atom_sites_Cartn_tran_matrix'
        )
      return sites @ np.linalg.inv(cell)
    matrix = _inverse(to_fractional)
    fractional = sites @ to_fractional.T + _vector(tags, 'fract')
  metric, expected = matrix.T @ matrix, cell @ cell.T
  lengths = np.linalg.norm(cell, axis=1)
  distortion = np.abs(metric - expected) / np.outer(lengths, lengths)
  if distortion.max() > MAX_DISTORTION:
    raise ValueError(
      'the matrix of the Cartesian axes contradicts the cell; correct one of '
      'them'
    )
  return fractional


def _inverse(matrix: Float[np.ndarray, '3 3']) -> Float[np.ndarray, '3 3']:
  if not abs(np.linalg.det(matrix)) > 1e-9:
    raise ValueError('the matrix of the Cartesian axes is singular; correct it')
  return np.linalg.inv(matrix)


def _matrix(tags: Tags, kind: str) -> Float[np.ndarray, '3 3'] | None:
  """The matrix to Cartesian or fractional coordinates; None if not stated."""
  indices = [(i, j) for i in '123' for j in '123']
  # The second is the name in mmCIF.
  values = [
    tags.value(f'atom_sites_{kind}_tran_matrix_{i}{j}')
    or tags.value(f'atom_sites_{kind}_transf_matrix_{i}_{j}')
    for i, j in indices
  ]
  if not any(values):
    return None
  return numbers([v or '?' for v in values], 'matrix elements').reshape(3, 3)


def _vector(tags: Tags, kind: str) -> Float[np.ndarray, '3']:
  values = [
    tags.value(f'atom_sites_{kind}_tran_vector_{i}')
    or tags.value(f'atom_sites_{kind}_transf_vector_{i}')
    or '0'
    for i in '123'
  ]
  return numbers(values, 'vector elements')
