"""Crystals through the networks and the decoder, one `Case` each."""

import dataclasses
import logging
import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax import decoding, lattice_search
from crystal_jax.crystal import Crystal
from crystal_jax.density.grids import BoxGrid
from crystal_jax.evaluation import comparison
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms, true_atoms
from crystal_jax.training import metrics
from crystal_jax.training.run import Run

_log = logging.getLogger(__name__)

# Nothing nearer than this counts as this far, Å.
FARTHEST = 5.0


@dataclasses.dataclass
class Case:
  """One crystal, and what became of it."""

  id: str
  true: Atoms
  decoded: Atoms
  oracle: Atoms
  cell: np.ndarray
  lattice_found: bool
  crystal: Crystal | None
  mse: float
  overflow: bool
  picture: dict[str, np.ndarray] | None = None

  def compare(self, which: Atoms) -> comparison.AtomComparison:
    """Atoms found, against the true ones."""
    return comparison.compare_atoms(
      *dataclasses.astuple(self.true),
      *dataclasses.astuple(which),
      farthest=FARTHEST,
    )


def run_split(run, state, split, baseline):
  """Sums over a split and one Case a crystal."""
  params = jax.tree.map(lambda x: x.addressable_data(0), state.ema)
  predict = jax.jit(run.eval_step)
  sums = {'network': None, 'oracle': None, 'baseline': None}
  cases, overflowed = [], []
  for step, (ids, batch) in enumerate(batches(run, split)):
    key = jax.random.fold_in(jax.random.key(2), step)
    outputs, made = predict({'params': params, 'key': key}, batch)
    found = decode(
      run, outputs['density'][..., 0], outputs.get('logits'), made.cell
    )
    oracle = decode(run, made.density[..., 0], None, made.cell)
    constant = jnp.broadcast_to(
      baseline.density[..., None], made.density[..., :1].shape
    )
    number = jnp.full_like(made.labels, baseline.number)
    for name, density, labels in [
      ('network', outputs['density'], _labels(outputs)),
      ('oracle', made.density, made.labels),
      ('baseline', constant, number),
    ]:
      row = metrics.density_sums(density, made.density, made.valid)
      if labels is not None:
        row |= metrics.species_sums(labels, made.labels, made.valid)
      sums[name] = metrics.add(sums[name], row)
    made, outputs, found, oracle = jax.device_get(
      (made, _for_pictures(outputs), found, oracle)
    )
    for i, name in enumerate(ids):
      if not made.valid[i]:
        overflowed.append(name)
        continue
      picture = None
      if len(cases) < run.config.eval.pictures:
        picture = {
          'density': made.density[i, ..., 0],
          'labels': made.labels[i],
          **{f'predicted_{k}': v[i] for k, v in outputs.items()},
        }
      error = outputs['density'][i] - made.density[i, ..., 0]
      cell = made.cell[i]
      crystal, lattice_found = _assemble(run, found, i, cell)
      numbers = batch['numbers'][i]
      cases.append(
        Case(
          id=name,
          true=true_atoms(
            made.positions[i],
            numbers,
            cell if run.examples.repeats else None,
            run.grid,
            FARTHEST,
          ),
          decoded=decoded_atoms(found, i, run.grid, cell, FARTHEST),
          oracle=decoded_atoms(oracle, i, run.grid, cell, FARTHEST),
          cell=cell,
          lattice_found=lattice_found,
          crystal=crystal,
          mse=float(np.mean(error**2)),
          overflow=bool(found.overflow[i]),
          picture=picture,
        )
      )
  if overflowed:
    _log.warning(
      '%s: %d crystals have too many images for max_images and are left out: '
      '%s. Raise data.max_images.',
      split,
      len(overflowed),
      ', '.join(overflowed),
    )
  return sums, cases


def batches(run: Run, split: str) -> Iterator[tuple[list[str], dict]]:
  """Evenly spaced crystals of a split with their ids; the last batch is full.

  The padding of the last batch is masked.
  """
  arrays, size = run.arrays[split], run.config.eval.batch_size
  number = min(run.config.eval.crystals, len(arrays['numbers']))
  rows = np.linspace(0, len(arrays['numbers']) - 1, number).round().astype(int)
  for start in range(0, number, size):
    some = rows[start : start + size]
    padded = np.resize(some, size)
    yield (
      [str(i) for i in arrays['id'][some]],
      {
        'numbers': arrays['numbers'][padded],
        'positions': arrays['positions'][padded],
        'cell': arrays['cell'][padded],
        'index': np.arange(size, dtype=np.int32),
        'sample': (start + np.arange(size, dtype=np.int32))
        % run.config.data.origins,
        'mask': np.arange(size) < len(some),
      },
    )


def decode(run, density, logits, cell) -> decoding.DecodedAtoms:
  """Atoms of a batch of densities; logits and, in a box, cell may be None."""
  with warnings.catch_warnings():
    # Too few slots warn; here that is counted, as `overflow`.
    warnings.simplefilter('ignore', UserWarning)
    return decoding.decode_batch(
      density,
      grid=run.grid,
      sigma=run.config.grid.sigma,
      cell=None if isinstance(run.grid, BoxGrid) else cell,
      logits=logits,
      max_atoms=run.config.eval.max_atoms,
    )


def _assemble(run, found, i, cell) -> tuple[Crystal | None, bool]:
  """The decoded crystal, and whether its lattice came from the density.

  A box that repeats shows its lattice. Where it is not found, and in a single
  cell, which shows none, the true cell is given.
  """
  atoms = jax.tree.map(lambda leaf: leaf[i], found)
  try:
    if isinstance(run.grid, BoxGrid) and run.examples.repeats:
      fit = lattice_search.find_lattice(atoms)
      if fit.found:
        return lattice_search.assemble(atoms, fit), True
    return lattice_search.assemble(atoms, cell), False
  except ValueError as error:
    _log.info('No crystal: %s', error)
    return None, False


def _labels(outputs):
  return outputs['logits'].argmax(-1) if 'logits' in outputs else None


def _for_pictures(outputs):
  kept = {'density': outputs['density'][..., 0]}
  labels = _labels(outputs)
  return kept if labels is None else kept | {'labels': labels}
