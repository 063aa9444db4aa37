"""What a box model is worth: its atoms against the truth.

Four columns stand side by side, so that it can be told who lost what:

- train and heldout: encode, decode, find the atoms;
- oracle: the decoder on the true densities of the held-out crystals, which is
  what a perfect network would reach;
- baseline: the mean training density and the best constant species, which is
  what a network that learnt nothing would reach.
"""

from __future__ import annotations

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np

from crystal_jax.evaluation import box_report, comparison
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms
from crystal_jax.evaluation.box_cases import decode_cases
from crystal_jax.evaluation.predict import batches, predict
from crystal_jax.evaluation.scores import Scores
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import NUM_CLASSES
from crystal_jax.training import metrics
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

_log = logging.getLogger(__name__)


def score(run: Run, state: TrainState) -> Scores:
  """Scores of the averaged parameters on some crystals of each split.

  Args:
    run: What was trained.
    state: Its state.

  Returns:
    In each of train, heldout (if any), oracle and baseline: the crystals, the
    error of the density (weight² Å⁻⁶), the species map's IoU and what
    `comparison.summarize_atoms` gives; of the networks also how often the
    decoder ran out of slots (`overflow`), and found a lattice; and with a
    lattice head the medians of its errors, relative and in degrees.
  """
  baseline = Baseline.of(run)
  results = {}
  for split in run.arrays:  # The last is held out, if anything is.
    sums, cases = _run_split(run, state, split, baseline)
    results[split] = _row(sums['network'], cases, 'decoded')
    results[split] |= _of_networks(run, cases)
  constant = [
    dataclasses.replace(case, decoded=baseline.atoms) for case in cases
  ]
  results |= {
    'oracle': _row(sums['oracle'], cases, 'oracle'),
    'baseline': _row(sums['baseline'], constant, 'decoded'),
  }
  return Scores(
    results=results,
    crystals={
      f'{c.id}.lattice_{"found" if c.lattice_found else "given"}': c.crystal
      for c in cases
      if isinstance(c.crystal, Crystal)
    },
    sections=box_report.sections(cases),
    note='The oracle is the decoder on the true densities; the baseline is the '
    'mean training density and the best constant species.',
  )


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
  def of(cls, run: Run) -> Baseline:
    """From as many training crystals as are evaluated."""
    box = run.model.representation
    make = jax.jit(box.examples)
    total, counts, examples = 0.0, 0, 0.0
    for step, (_, batch) in enumerate(batches(run, 'train')):
      made = make(jax.random.fold_in(jax.random.key(1), step), batch)
      valid = np.asarray(made.valid)
      density = np.asarray(made.targets['density'][..., 0], np.float64)
      total = total + np.tensordot(valid, density, 1)
      labels = np.asarray(made.targets['labels'])[valid > 0]
      counts = counts + np.bincount(labels.ravel(), minlength=NUM_CLASSES)
      examples += valid.sum()
    mean = (total / examples).astype(np.float32)
    # A whole batch of it: the decoder is then compiled for one shape only.
    size = run.config.eval.batch_size
    same = np.broadcast_to(mean[..., None], (size, *mean.shape, 1))
    atoms = decoded_atoms(box.atoms(same), 0)
    # Given to every voxel, a species has the IoU of its share of them.
    return cls(mean, int(np.argmax(counts[1:])) + 1, atoms)


def _run_split(run, state, split, baseline):
  """Sums over a split, of each column, and its cases."""
  columns = ['network'] + ['oracle', 'baseline'] * (split == [*run.arrays][-1])
  sums = dict.fromkeys(columns)
  cases, left_out = [], []
  for predicted in predict(run, state, split):
    added = _sums(predicted, baseline)
    sums = {name: metrics.add(sums[name], added[name]) for name in columns}
    more, without = decode_cases(
      run.model.representation,
      predicted,
      oracle='oracle' in columns,
      pictures=run.config.eval.pictures - len(cases),
    )
    cases += more
    left_out += without
  if left_out:
    _log.warning(
      '%s: %d crystals have too many images for max_images and are left out: '
      '%s. Raise model.box.max_images.',
      split,
      len(left_out),
      ', '.join(left_out),
    )
  return sums, cases


def _sums(predicted, baseline) -> dict[str, metrics.Sums]:
  """Of densities and species maps: the networks', the true, a constant."""
  targets, valid = predicted.examples.targets, predicted.examples.valid
  outputs, labels = predicted.outputs, targets['labels']
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


def _of_networks(run, cases) -> dict[str, float]:
  """What is only asked of a column of the networks."""
  row = {'overflow': float(np.mean([case.overflow for case in cases]))}
  if run.model.representation.repeats:
    row['lattice_found'] = float(np.mean([c.lattice_found for c in cases]))
  errors = [c.lattice_errors for c in cases if c.lattice_errors is not None]
  if errors:
    length, angle = np.median(errors, axis=0)
    row['head_length_error'] = float(length)
    row['head_angle_error'] = float(angle)
  return row
