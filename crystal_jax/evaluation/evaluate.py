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

import jax
import numpy as np

from crystal_jax import io
from crystal_jax.density.grids import BoxGrid
from crystal_jax.evaluation import comparison, report
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms
from crystal_jax.evaluation.cases import batches, decode, run_split
from crystal_jax.training import metrics
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

_log = logging.getLogger(__name__)


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
    map's IoU and what `comparison.summarize_atoms` gives; of the networks also
    how often the decoder ran out of slots (`overflow`) and found a lattice.
  """
  workdir = pathlib.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  baseline = Baseline.of(run)
  results, cases = {}, {}
  for split in ('train', 'heldout'):
    sums, cases[split] = run_split(run, state, split, baseline)
    results[split] = _row(sums['network'], cases[split], 'decoded')
    results[split]['overflow'] = float(
      np.mean([case.overflow for case in cases[split]])
    )
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
    for step, (_, batch) in enumerate(batches(run, 'train')):
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
    found = decode(run, same, None, cells)
    atoms = decoded_atoms(found, 0, run.grid, cells[0])
    # Given to every voxel, a species has the IoU of its share of them.
    return cls(mean, int(np.argmax(counts[1:])) + 1, atoms)


def _row(sums, cases, which) -> dict[str, float]:
  """One column of the table."""
  atoms = comparison.summarize_atoms(
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
