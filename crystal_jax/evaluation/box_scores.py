"""Scores of the paper's box: atoms against the truth.

Columns:

- train, heldout: encode, decode, find the atoms;
- oracle: atoms found in the true densities of the held-out crystals, as from
  perfect networks;
- baseline: the mean training density and the best constant species, as from
  networks that learnt nothing.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from crystal_jax.evaluation import box_report, comparison
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms
from crystal_jax.evaluation.box_reconstruction import (
  BoxReconstruction,
  decode_batch,
)
from crystal_jax.evaluation.predict import Prediction, batches, predict
from crystal_jax.evaluation.scores import Scores
from crystal_jax.representation import Box
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import NUM_CLASSES
from crystal_jax.training import metrics
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

_log = logging.getLogger(__name__)


def score(run: Run, state: TrainState) -> Scores:
  """Scores of the averaged parameters on crystals of each split.

  Args:
    run: A run of the paper's box.
    state: Its state.

  Returns:
    For each of train, heldout (if any), oracle and baseline: the number of
    crystals, the error of the density (weight² Å⁻⁶), the agreement of the
    species maps and what `comparison.summarize_atoms` returns. For train and
    heldout also `overflow`; `lattice_found`, if the box has periodic images;
    and, with a lattice head, the medians of its errors (relative, degrees).
  """
  box = _box(run)
  baseline = _baseline(run, box)
  results = {}
  for split in run.arrays:  # The last one is held out, if there is one.
    sums, rows = _run_split(run, box, state, split, baseline)
    results[split] = _column(sums['network'], rows, [r.decoded for r in rows])
    results[split] |= _of_networks(box, rows)
  ideal = [r.oracle or Atoms.none() for r in rows]
  constant = [baseline.atoms] * len(rows)
  results['oracle'] = _column(sums['oracle'], rows, ideal)
  results['baseline'] = _column(sums['baseline'], rows, constant)
  return Scores(
    results=results,
    crystals={
      f'{row.id}.lattice_{"found" if row.lattice_found else "given"}': (
        row.crystal
      )
      for row in rows
      if isinstance(row.crystal, Crystal)
    },
    headline=box_report.headline(results[split], split),
    sections=box_report.sections(rows, box.grid.length),
    note='The oracle decodes the true densities; the baseline is the mean '
    'training density and the best constant species.',
  )


@dataclasses.dataclass(frozen=True)
class Baseline:
  """Constants of the training set, as from networks that learnt nothing.

  Attributes:
    density: Mean training density, [G, G, G].
    number: Atomic number with the best IoU if assigned to every voxel.
    atoms: Atoms decoded from `density`.
  """

  density: Float[np.ndarray, 'G G G']
  number: int
  atoms: Atoms


def _box(run: Run) -> Box:
  box = run.model.representation
  if not isinstance(box, Box):
    raise TypeError(f'Need a Box, not a {type(box).__name__}.')
  return box


def _baseline(run: Run, box: Box) -> Baseline:
  """Baseline from as many training crystals as are evaluated."""
  make = jax.jit(box.examples)
  total = np.zeros(box.grid.shape)
  voxels = np.zeros(NUM_CLASSES)
  examples = 0.0
  for step, (_, batch) in enumerate(batches(run, 'train')):
    made = make(jax.random.fold_in(jax.random.key(1), step), batch)
    valid = np.asarray(made.valid)
    density = np.asarray(made.targets['density'][..., 0], np.float64)
    total += np.tensordot(valid, density, 1)
    labels = np.asarray(made.targets['labels'])[valid > 0]
    voxels += np.bincount(labels.ravel(), minlength=NUM_CLASSES)
    examples += valid.sum()
  mean = (total / examples).astype(np.float32)
  # A full batch, so that the decoder is compiled for one shape only.
  size = run.config.eval.batch_size
  same = jnp.broadcast_to(mean[..., None], (size, *mean.shape, 1))
  atoms = decoded_atoms(box.atoms(same), 0)
  # A species given to every voxel has the IoU of its share of the voxels.
  return Baseline(mean, int(np.argmax(voxels[1:])) + 1, atoms)


def _run_split(
  run: Run, box: Box, state: TrainState, split: str, baseline: Baseline
) -> tuple[dict[str, metrics.Sums], list[BoxReconstruction]]:
  """Sums of the density metrics by column, and reconstructions."""
  last = split == [*run.arrays][-1]
  columns = ['network', *(['oracle', 'baseline'] if last else [])]
  sums: dict[str, metrics.Sums] = {}
  rows: list[BoxReconstruction] = []
  left_out: list[str] = []
  for prediction in predict(run, state, split):
    added = _sums(prediction, baseline)
    sums = {c: metrics.add(sums.get(c), added[c]) for c in columns}
    more, without = decode_batch(
      box,
      prediction,
      oracle=last,
      pictures=run.config.eval.pictures - len(rows),
    )
    rows += more
    left_out += without
  if left_out:
    _log.warning(
      '%s: %d crystals have more images than max_images and are left out: %s. '
      'Raise model.box.max_images.',
      split,
      len(left_out),
      ', '.join(left_out),
    )
  return sums, rows


def _sums(
  prediction: Prediction, baseline: Baseline
) -> dict[str, metrics.Sums]:
  """Sums over a batch: networks, true densities, constants."""
  targets = prediction.examples.targets
  valid = prediction.examples.valid
  outputs, labels = prediction.outputs, targets['labels']
  constant = jnp.broadcast_to(
    baseline.density[..., None], targets['density'][..., :1].shape
  )
  species = outputs['logits'].argmax(-1) if 'logits' in outputs else None
  columns = {
    'network': (outputs['density'], species),
    'oracle': (targets['density'], labels),
    'baseline': (constant, jnp.full_like(labels, baseline.number)),
  }
  sums = {}
  for name, (density, numbers) in columns.items():
    sums[name] = metrics.density_sums(density, targets['density'], valid)
    if numbers is not None:
      sums[name] |= metrics.species_sums(numbers, labels, valid)
  return sums


def _column(
  sums: metrics.Sums,
  rows: Sequence[BoxReconstruction],
  decoded: Sequence[Atoms],
) -> dict[str, float]:
  """One column of metrics.

  Args:
    sums: Metric sums of the density and the species map.
    rows: The reconstructions.
    decoded: Decoded atoms of each.
  """
  comparisons = [r.compare(a) for r, a in zip(rows, decoded, strict=True)]
  return {
    'crystals': float(len(rows)),
    **metrics.divide(jax.device_get(sums)),
    **comparison.summarize_atoms(comparisons),
  }


def _of_networks(
  box: Box, rows: Sequence[BoxReconstruction]
) -> dict[str, float]:
  """Metrics of the columns of networks, train and heldout, only."""
  column = {'overflow': float(np.mean([row.overflow for row in rows]))}
  if box.repeats:
    found = [row.lattice_found for row in rows]
    column['lattice_found'] = float(np.mean(found))
  errors = [r.lattice_errors for r in rows if r.lattice_errors is not None]
  if errors:
    length, angle = np.median(errors, axis=0)
    column['head_length_error'] = float(length)
    column['head_angle_error'] = float(angle)
  return column
