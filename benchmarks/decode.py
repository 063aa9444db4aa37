"""Density back to crystals, without a neural network: matches and speed.

Prints one row a grid and filling. The truth is 1000 crystals of the published
MP-20 validation rows, drawn with a fixed seed. Boxes show them centred and
rotated at random; the row `aligned` as they are in the file, most with an atom
at the origin and axes along the box.

  taskset -c 1 python -m benchmarks.decode    # all rows, on 1000 crystals
  python -m benchmarks.decode --rows=cell,paper --crystals=100

Needs no extra.
"""

import argparse
import functools
import pathlib
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from pymatgen.analysis import structure_matcher
from pymatgen.core import Lattice, Structure

import crystal_jax as cj
from crystal_jax.structure import lattice

DATA = pathlib.Path(__file__).parents[1] / '..' / 'shared' / 'data'
ROWS = {
  'cell': (cj.CellGrid(32), 0.5, 64),
  'single': (cj.BoxGrid(10.0, 60), 0.5, 64),
  'repeating': (cj.BoxGrid(10.0, 60), 0.5, 512),
  'aligned': (cj.BoxGrid(10.0, 60), 0.5, 512),
  'paper': (cj.BoxGrid(10.0, 30), 1.0, 64),
}
# Rows of boxes that show all images.
REPEATING = 'repeating', 'aligned'
# Within this of the truth an atom is found, Å.
CLOSE = {0.5: 0.02, 1.0: 0.1}
# Densities that are decoded at a time.
BATCH = 20


def main():
  parser = arguments(__doc__, crystals=1000)
  parser.add_argument('--rows', default=','.join(ROWS))
  args = parser.parse_args()
  crystals = load(args.data / f'{args.set}.npz', args.crystals, args.seed)
  for name in args.rows.split(','):
    run(name, crystals, verbose=True)


def arguments(doc, crystals):
  """Which crystals to take."""
  parser = argparse.ArgumentParser(description=doc.split('\n')[0])
  parser.add_argument('--data', type=pathlib.Path, default=DATA)
  parser.add_argument('--set', default='mp_20_part_val')
  parser.add_argument('--crystals', type=int, default=crystals)
  parser.add_argument('--seed', type=int, default=0)
  return parser


def load(path, count, seed):
  """`count` crystals of a compact file, in an order set by the seed."""
  data = np.load(path)
  order = np.random.default_rng(seed).permutation(len(data['cell']))[:count]
  crystals = []
  for i in order:
    atoms = slice(*data['offsets'][i : i + 2])
    cell = data['cell'][i].astype(np.float64)
    positions = data['frac'][atoms].astype(np.float64) @ cell
    numbers = data['numbers'][atoms].astype(np.int32)
    crystals.append(cj.Crystal(numbers, positions, cell))
  return crystals


def rotations(count, seed=1):
  """Uniform rotations."""
  q = np.random.default_rng(seed).normal(size=(count, 4))
  w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
  rows = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
  ]
  return np.moveaxis(np.array(rows), -1, 0)


def run(name, crystals, *, noise=None, verbose=False):
  """One row: {figure: value}."""
  grid, sigma, slots = ROWS[name]
  placed = [
    place(name, crystal, turn, grid, sigma)
    for crystal, turn in zip(crystals, rotations(len(crystals)), strict=True)
  ]
  which = [i for i, crystal in enumerate(placed) if crystal is not None]
  cases, spent = [], []
  # Whole batches, the last one filled up with the first, so that one is traced.
  for start in range(0, len(which), BATCH):
    batch = np.resize(which[start : start + BATCH], BATCH)
    truths = [placed[i] for i in batch]
    density = [render(name, truth, grid, sigma) for truth in truths]
    if noise is not None:
      density = [
        d + noise(i, d, sigma) for i, d in zip(batch, density, strict=True)
      ]
    cells = np.stack([t.cell for t in truths]) if name == 'cell' else None
    decode = functools.partial(
      cj.decode_batch,
      jnp.stack(density),
      cell=cells,
      grid=grid,
      sigma=sigma,
      max_atoms=slots,
    )
    if not start:
      jax.block_until_ready(decode())  # compile
    begin = time.process_time()
    atoms = jax.block_until_ready(decode())
    spent.append(1e3 * (time.process_time() - begin) / BATCH)
    atoms = jax.tree.map(np.asarray, atoms)
    for k, i in enumerate(which[start : start + BATCH]):
      one = jax.tree.map(lambda x, k=k: x[k], atoms)
      case = score(name, truths[k], one, grid, sigma)
      cases.append(case | {'crystal': i})
  counts = summarize(name, cases)
  counts['CPU ms a crystal'] = float(np.mean(spent))
  if verbose:
    print(f'\n{name}: {grid}, sigma {sigma}, {len(cases)} crystals')
    for key, value in counts.items():
      print(f'  {key:44s} {value:.6g}')
    missed = [c['crystal'] for c in cases if not c['exact']]
    print(f'  missed: {missed[:40]}', flush=True)
  return counts


def place(name, crystal, turn, grid, sigma):
  """The crystal as the row wants it; None if it does not fit the box."""
  if name in ('cell', 'aligned'):
    return crystal
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  positions = (fractional % 1.0) @ crystal.cell
  positions = (positions - positions.mean(axis=0)) @ turn.T
  if name != 'repeating':
    far = np.linalg.norm(positions, axis=1).max()
    if far > grid.length / 2 - 2 * sigma:
      return None
  return cj.Crystal(crystal.numbers, positions, crystal.cell @ turn.T)


def render(name, crystal, grid, sigma):
  cell = None if name in ('single', 'paper') else crystal.cell
  crystal = crystal.pad(-(-len(crystal.numbers) // 32) * 32)  # few traces
  return cj.voxelize(
    crystal.positions,
    crystal.numbers,
    cell,
    grid=grid,
    sigma=sigma,
    band_limit=name == 'cell',
  )


def score(name, truth, atoms, grid, sigma):
  """What came back of one crystal."""
  if name == 'cell':
    return score_cell(truth, atoms)
  case = score_atoms(name, truth, atoms, grid, sigma)
  if name in REPEATING:
    start = time.process_time()
    fit = cj.find_lattice(atoms)
    case['lattice ms'] = 1e3 * (time.process_time() - start)
    reduced = lattice.niggli_reduce(truth.cell, 1e-3)
    case['longest'] = np.linalg.norm(reduced, axis=1).max()
    case['found'] = fit.found
    case['strict'] = fit.found and strict(truth, cj.assemble(atoms, fit))[0]
  return case


def score_cell(truth, atoms):
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
  """Found, right and spurious atoms, away from the walls if repeating."""
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
  close = distances.min(axis=1) < CLOSE[sigma]
  right = close & (species[distances.argmin(axis=1)] == numbers)
  deep = np.abs(found).max(axis=1) <= depth if len(found) else np.zeros(0, bool)
  spurious = deep & (distances[:, :-1].min(axis=0) >= CLOSE[sigma])
  case = dict(
    atoms=inner.sum(),
    close=(close & inner).sum(),
    right=(right & inner).sum(),
    decoded=deep.sum(),
    spurious=spurious.sum(),
  )
  case['exact'] = case['right'] == case['atoms'] and not case['spurious']
  return case


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
  # same lengths and angles are looked for in any basis.
  if a.lattice.find_mapping(b.lattice, ltol=0.01, atol=1.0) is None:
    return False
  matcher = structure_matcher.StructureMatcher(
    scale=False, primitive_cell=False, **settings
  )
  rms = matcher.get_rms_dist(a, b)
  return rms is not None and rms[0] <= 0.02


def summarize(name, cases):
  """Shares over all crystals."""
  if name == 'cell':
    rmse = [c['rmse'] for c in cases if c['match']]
    return {
      'all atoms and species exact': np.mean([c['exact'] for c in cases]),
      'match': np.mean([c['match'] for c in cases]),
      'strict match': np.mean([c['strict'] for c in cases]),
      'median RMSE': np.median(rmse),
    }
  total = {
    k: sum(c[k] for c in cases)
    for k in ('atoms', 'close', 'right', 'decoded', 'spurious')
  }
  out = {
    'atoms found': total['close'] / total['atoms'],
    'atoms found with the right species': total['right'] / total['atoms'],
    'spurious atoms': total['spurious'] / max(1, total['decoded']),
    'crystals without a fault': np.mean([c['exact'] for c in cases]),
  }
  if name in REPEATING:
    longest = np.array([c['longest'] for c in cases])
    right = np.array([c['strict'] for c in cases])
    found = np.array([c['found'] for c in cases])
    out['strict match, of all'] = right.mean()
    for limit in (6.67, 10.0):
      within = longest <= limit
      key = f'strict match, Niggli vectors <= {limit}'
      out[f'{key} ({within.sum()})'] = right[within].mean()
    out['found, but no strict match'] = (found & ~right).mean()
    times = [c['lattice ms'] for c in cases]
    out['mean CPU ms of find_lattice'] = np.mean(times)
    wrong = [c['crystal'] for c in cases if c['found'] and not c['strict']]
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


if __name__ == '__main__':
  warnings.filterwarnings('ignore', module='pymatgen|spglib')
  main()
