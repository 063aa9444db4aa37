"""Scores of `benchmarks.decode`: atoms, species, lattices, strict matches."""

import time

import numpy as np
from pymatgen.analysis import structure_matcher
from pymatgen.core import Lattice, Structure

import crystal_jax as cj
from crystal_jax.structure import lattice

# Rows of boxes that hold all images.
REPEATING = 'repeating', 'aligned'
# Distance from a true atom within which a decoded one counts as found, Å, by
# the standard deviation of an atom.
_TOLERANCES = {0.5: 0.02, 1.0: 0.1}


def score(name, truth, atoms, grid, sigma, density=None):
  """Scores of one decoded crystal, by name.

  Args:
    name: Name of the row of the table.
    truth: The crystal.
    atoms: Its decoded atoms.
    grid: Where the density is sampled.
    sigma: Standard deviation of an atom, Å.
    density: The density, for the lattice; None: from the atoms alone.
  """
  if name == 'cell':
    return score_cell(truth, atoms)
  row = score_atoms(name, truth, atoms, grid, sigma)
  if name in REPEATING:
    start = time.process_time()
    fit = cj.find_lattice(atoms, density, sigma)
    row['lattice ms'] = 1e3 * (time.process_time() - start)
    reduced = lattice.niggli_reduce(truth.cell, 1e-3)
    row['longest'] = np.linalg.norm(reduced, axis=1).max()
    row['found'] = fit.found
    row['strict'] = fit.found and strict(truth, cj.assemble(atoms, fit))[0]
  return row


def score_cell(truth, atoms):
  """Scores of atoms on a cell grid, by name."""
  found = cj.assemble(atoms, truth.cell) if atoms.mask.any() else None
  exact, match, rmse, is_strict = False, False, np.nan, False
  if found is not None:
    distances = _nearest(found.positions, truth.positions, truth.cell)
    nearest = distances.argmin(axis=1)
    exact = (
      len(found.numbers) == len(truth.numbers)
      and len(set(nearest)) == len(nearest)
      and (found.numbers == truth.numbers[nearest]).all()
      and distances.min(axis=1).max() < 0.02
    )
    is_strict, rmse = strict(truth, found)
    match = rmse is not None
  return dict(exact=exact, match=match, rmse=rmse, strict=is_strict)


def score_atoms(name, truth, atoms, grid, sigma):
  """Counts of found, right and spurious atoms; with images, away from walls."""
  depth = grid.length / 2 - (0.5 if name in REPEATING else 0.0)
  positions, numbers = truth.positions, truth.numbers
  if name in REPEATING:
    positions, numbers = images(truth, grid.length / 2 + 1.0)
  found, species = atoms.positions[atoms.mask], atoms.numbers[atoms.mask]
  inner = np.abs(positions).max(axis=1) <= depth
  distances = np.linalg.norm(positions[:, None] - found[None], axis=-1)
  distances = np.concatenate(
    [distances, np.full((len(positions), 1), 99.0)], axis=1
  )
  species = np.append(species, 0)
  close = distances.min(axis=1) < _TOLERANCES[sigma]
  right = close & (species[distances.argmin(axis=1)] == numbers)
  deep = np.abs(found).max(axis=1) <= depth if len(found) else np.zeros(0, bool)
  # An aligned box in the vacuum of a slab holds no atom.
  nearest = distances[:, :-1].min(axis=0, initial=np.inf)
  spurious = deep & (nearest >= _TOLERANCES[sigma])
  row = dict(
    atoms=inner.sum(),
    close=(close & inner).sum(),
    right=(right & inner).sum(),
    decoded=deep.sum(),
    spurious=spurious.sum(),
  )
  row['exact'] = row['right'] == row['atoms'] and not row['spurious']
  return row


def images(crystal, half):
  """Positions and atomic numbers of every image in a cube."""
  reach = half * np.sqrt(3)
  inverse = np.linalg.inv(crystal.cell)
  limit = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int) + 2
  ranges = [np.arange(-k, k + 1) for k in limit]
  times = np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3)
  positions = crystal.positions[:, None] + (times @ crystal.cell)[None]
  inside = (np.abs(positions) <= half).all(axis=-1)
  numbers = np.broadcast_to(crystal.numbers[:, None], inside.shape)
  return positions[inside], numbers[inside]


def strict(truth, found):
  """Whether a strict match (see RESULTS.md), and the lenient RMSE or None."""
  a, b = _structure(truth), _structure(found)
  settings = dict(stol=0.5, angle_tol=10, ltol=0.3)
  lenient = structure_matcher.StructureMatcher(**settings).get_rms_dist(a, b)
  rmse = None if lenient is None else lenient[0]
  # As they are, or by their primitive cells: pymatgen merges sites within
  # 0.25 Å there, sometimes in only one of two equal crystals.
  primitive = a.get_primitive_structure(), b.get_primitive_structure()
  return _same(a, b, settings) or _same(*primitive, settings), rmse


def _same(a, b, settings):
  """Whether number, volume, lattice and sites agree without rescaling."""
  if len(a) != len(b) or abs(a.volume / b.volume - 1) > 0.02:
    return False
  # Niggli cells jump where two of their conditions are nearly equal; so the
  # same lengths and angles are searched in any basis.
  if a.lattice.find_mapping(b.lattice, ltol=0.01, atol=1.0) is None:
    return False
  matcher = structure_matcher.StructureMatcher(
    scale=False, primitive_cell=False, **settings
  )
  rms = matcher.get_rms_dist(a, b)
  return rms is not None and rms[0] <= 0.02


def summarize(name, rows):
  """Shares of all crystals, by name.

  Args:
    name: Name of the row of the table.
    rows: Scores of each crystal, and its index, 'crystal'.
  """
  if name == 'cell':
    rmse = [c['rmse'] for c in rows if c['match']]
    return {
      'all atoms and species exact': np.mean([c['exact'] for c in rows]),
      'match': np.mean([c['match'] for c in rows]),
      'strict match': np.mean([c['strict'] for c in rows]),
      'median RMSE': np.median(rmse),
    }
  total = {
    k: sum(c[k] for c in rows)
    for k in ('atoms', 'close', 'right', 'decoded', 'spurious')
  }
  out = {
    'atoms found': total['close'] / total['atoms'],
    'atoms found with the right species': total['right'] / total['atoms'],
    'spurious atoms': total['spurious'] / max(1, total['decoded']),
    'crystals without a fault': np.mean([c['exact'] for c in rows]),
  }
  if name in REPEATING:
    longest = np.array([c['longest'] for c in rows])
    right = np.array([c['strict'] for c in rows])
    found = np.array([c['found'] for c in rows])
    out['strict match, of all'] = right.mean()
    for limit in (6.67, 10.0):
      within = longest <= limit
      key = f'strict match, Niggli vectors <= {limit}'
      out[f'{key} ({within.sum()})'] = right[within].mean()
    out['found, but no strict match'] = (found & ~right).mean()
    times = [c['lattice ms'] for c in rows]
    out['mean CPU ms of find_lattice'] = np.mean(times)
    wrong = [c['crystal'] for c in rows if c['found'] and not c['strict']]
    print(f'wrong lattices: {wrong}')
  return out


def _structure(crystal):
  return Structure(
    Lattice(crystal.cell),
    crystal.numbers,
    crystal.positions,
    coords_are_cartesian=True,
  )


def _nearest(a, b, cell):
  distances = (a[:, None] - b[None]) @ np.linalg.inv(cell)
  return np.linalg.norm((distances - np.rint(distances)) @ cell, axis=-1)
