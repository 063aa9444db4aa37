"""Held-out crystals through the networks and the decoder, against the truth.

Four columns stand side by side, so that it can be told who lost what:

- train and heldout: encode, decode, find the atoms;
- oracle: the decoder on the true densities of the held-out crystals, which is
  what a perfect network would reach;
- baseline: the mean training density and the best constant species, which is
  what a network that learnt nothing would reach.
"""

import dataclasses
import json
import logging
import os
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax import decoding, io, metrics
from crystal_jax.crystal import Crystal
from crystal_jax.evaluation import report
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms, true_atoms
from crystal_jax.grids import BoxGrid
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

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
  picture: dict[str, np.ndarray] | None = None

  def compare(self, which: Atoms) -> metrics.AtomComparison:
    """Atoms found, against the true ones."""
    return metrics.compare_atoms(
      *dataclasses.astuple(self.true),
      *dataclasses.astuple(which),
      farthest=FARTHEST,
    )


def evaluate(
  run: Run, state: TrainState, workdir: str | os.PathLike[str]
) -> dict[str, dict[str, float]]:
  """Writes `metrics.json`, `cif/` and `report.html` into `workdir`.

  Args:
    run: What was trained.
    state: Its state; the averaged parameters are evaluated.
    workdir: Where to write.

  Returns:
    What `metrics.json` holds: for each of train, heldout, oracle and baseline
    the number of crystals, the error of the density (weight² Å⁻⁶), the species
    map's IoU and what `metrics.summarize_atoms` gives.
  """
  workdir = pathlib.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  baseline = Baseline.of(run)
  results, cases = {}, {}
  for split in ('train', 'heldout'):
    sums, cases[split] = _run_split(run, state, split, baseline)
    results[split] = _row(sums['network'], cases[split], 'decoded')
    results[split] |= _lattices(run, cases[split])
    _log.info('%s: %s', split, _line(results[split]))
  results['oracle'] = _row(sums['oracle'], cases['heldout'], 'oracle')
  results['baseline'] = _row(
    sums['baseline'],
    [dataclasses.replace(c, decoded=baseline.atoms) for c in cases['heldout']],
    'decoded',
  )
  for name in ('oracle', 'baseline'):
    _log.info('%s: %s', name, _line(results[name]))
  _write_json(workdir / 'metrics.json', results)
  _write_cifs(workdir / 'cif', cases['heldout'])
  report.write(workdir, run.config, results, cases['heldout'])
  _log.info('Report: %s', workdir / 'report.html')
  return results


@dataclasses.dataclass(frozen=True)
class Baseline:
  """A network that learnt nothing: a constant density, a constant species.

  Attributes:
    density: Mean training density, [G, G, G].
    number: The species that scores the best IoU when given to every voxel.
    atoms: What the decoder finds in that density.
  """

  density: np.ndarray
  number: int
  atoms: Atoms

  @classmethod
  def of(cls, run: Run) -> 'Baseline':
    """From as many training crystals as are evaluated."""
    make = jax.jit(run.examples)
    total, counts, examples = 0.0, 0, 0.0
    for step, (_, batch) in enumerate(_batches(run, 'train')):
      made = make(jax.random.fold_in(jax.random.key(1), step), batch)
      valid = np.asarray(made.valid)
      density = np.asarray(made.density[..., 0], np.float64)
      total = total + np.tensordot(valid, density, 1)
      labels = np.asarray(made.labels)[valid > 0]
      counts = counts + np.bincount(labels.ravel(), minlength=95)
      examples += valid.sum()
    mean = (total / examples).astype(np.float32)
    # A whole batch of it: the decoder is then compiled for one shape only.
    same = np.broadcast_to(mean, (run.config.eval.batch_size, *mean.shape))
    cells = np.broadcast_to(
      10.0 * np.eye(3, dtype=np.float32), (len(same), 3, 3)
    )
    found = _decode(run, same, None, cells)
    atoms = decoded_atoms(found, 0, run.grid, cells[0])
    # Given to every voxel, a species has the IoU of its share of them.
    return cls(mean, int(np.argmax(counts[1:])) + 1, atoms)


def _run_split(run, state, split, baseline):
  """Sums over a split and one Case a crystal."""
  params = jax.tree.map(lambda x: x.addressable_data(0), state.ema)
  predict = jax.jit(run.eval_step)
  sums = {'network': None, 'oracle': None, 'baseline': None}
  cases, overflowed = [], []
  for step, (ids, batch) in enumerate(_batches(run, split)):
    key = jax.random.fold_in(jax.random.key(2), step)
    outputs, made = predict({'params': params, 'key': key}, batch)
    found = _decode(
      run, outputs['density'][..., 0], outputs.get('logits'), made.cell
    )
    oracle = _decode(run, made.density[..., 0], None, made.cell)
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


def _batches(run: Run, split: str) -> Iterator[tuple[list[str], dict]]:
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


def _decode(run, density, logits, cell) -> decoding.DecodedAtoms:
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
      fit = decoding.find_lattice(atoms)
      if fit.found:
        return decoding.assemble(atoms, fit), True
    return decoding.assemble(atoms, cell), False
  except ValueError as error:
    _log.info('No crystal: %s', error)
    return None, False


def _labels(outputs):
  return outputs['logits'].argmax(-1) if 'logits' in outputs else None


def _for_pictures(outputs):
  kept = {'density': outputs['density'][..., 0]}
  labels = _labels(outputs)
  return kept if labels is None else kept | {'labels': labels}


def _row(sums, cases, which) -> dict[str, float]:
  """One column of the table."""
  atoms = metrics.summarize_atoms(
    [case.compare(getattr(case, which)) for case in cases]
  )
  return {
    'crystals': len(cases),
    **metrics.divide(jax.device_get(sums)),
    **atoms,
  }


def _lattices(run, cases) -> dict[str, float]:
  if not (isinstance(run.grid, BoxGrid) and run.examples.repeats):
    return {}
  return {'lattice_found': float(np.mean([c.lattice_found for c in cases]))}


def _line(row):
  return ', '.join(f'{name} {value:.4g}' for name, value in row.items())


def _write_json(path, results):
  """NaN, where nothing was counted, becomes null: JSON has no NaN."""
  results = {
    column: {k: None if np.isnan(v) else v for k, v in row.items()}
    for column, row in results.items()
  }
  partial = path.with_suffix('.partial')
  partial.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')
  os.replace(partial, path)


def _write_cifs(folder, cases):
  """The decoded crystals; a name says where its lattice is from."""
  folder.mkdir(exist_ok=True)
  for old in folder.glob('*.cif'):
    old.unlink()
  written = 0
  for case in cases:
    if case.crystal is not None:
      lattice = 'found' if case.lattice_found else 'given'
      io.write(folder / f'{case.id}.lattice_{lattice}.cif', case.crystal)
      written += 1
  _log.info(
    '%d of %d decoded crystals written to %s.', written, len(cases), folder
  )
