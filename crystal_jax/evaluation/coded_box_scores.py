"""What a coded box is worth: the atoms it shows, and crystals out of it.

The paper's measure is the distance from each true atom inside the box to the
nearest decoded one, and back. Beside it stand whole crystals, of which nothing
but the latent is known, also of those alone that a box of 10 Å can show: all
vectors up to 6.67 Å, and up to 10 Å.

Columns are those of `cell_scores`, and rows those of `coded_box_cases`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from crystal_jax.evaluation import (
  cell_report,
  cell_scores,
  comparison,
  match_summary,
  matching,
  paper_figures,
  traversals,
)
from crystal_jax.evaluation.atoms import decoded_atoms
from crystal_jax.evaluation.box_cases import FARTHEST
from crystal_jax.evaluation.coded_box_cases import (
  WAYS,
  Case,
  decode_cases,
  laid_again,
)
from crystal_jax.evaluation.predict import batches
from crystal_jax.evaluation.scores import Scores
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

# Longest vectors of the crystals that are counted apart, Å.
LONGEST = 6.67, 10.0
# What is given of the crystal's atoms.
_ATOMS = 'count_exact', 'nearest_median', 'nearest_p90'


def score(run: Run, state: TrainState) -> Scores:
  """Scores of the averaged parameters on some crystals of each split.

  Args:
    run: What was trained.
    state: Its state.

  Returns:
    In each of train, heldout (if any), oracle and baseline what `row` gives. Of
    the networks also `kl_nats`, `lattice_units` (median error of the lattice
    that they say), of the atoms of the crystals, laid in the box again,
    `crystal_count_exact` and `crystal_nearest_..`, and of held-out crystals
    strict and match on each of `WAYS`.
  """
  params, means, columns = cell_scores.averaged(state), {}, {}
  last = list(run.arrays)[-1]
  for split in run.arrays:
    ways = WAYS if split == last else ()
    cases = decode_cases(run.model, params, batches(run, split), ways)
    means[split] = _means(cases)
    columns[split] = cases, 'networks'
  # Of the last of them, the held-out crystals if there are any.
  columns |= {way: (cases, way) for way in WAYS}
  constant, error = _baseline(run, cases)
  columns['baseline'] = constant, 'networks'
  compared = compare(columns)
  refused = cell_scores.refused_shares(run, columns)
  rows = {
    name: row(*columns[name], compared[name], refused[name]) for name in columns
  }
  means['oracle'] = {'reconstruction_mse': 0.0}
  means['baseline'] = {'reconstruction_mse': error}
  results = {name: rows[name] | some for name, some in means.items()}
  for split in run.arrays:
    again = [laid_again(case, run.model) for case in columns[split][0]]
    again = row(again, 'crystal', compared[split])
    results[split] |= {f'crystal_{name}': again[name] for name in _ATOMS}
  for way in WAYS[:-1]:
    results[last] |= prefixed(way, rows[way])
  cases = [
    dataclasses.replace(case, comparison=one)
    for case, one in zip(cases, compared[last], strict=True)
  ]
  _, some = next(iter(batches(run, last)))
  return Scores(
    results=results,
    crystals={
      case.id: case.found for case in cases if isinstance(case.found, Crystal)
    },
    sections=[
      *paper_figures.sections(cases),
      *cell_report.sections(cases, run.config.eval.pictures),
      *traversals.sections(run.model, params, some, jax.random.key(3)),
    ],
    note='From one latent comes the whole crystal, lattice and species '
    'included. The oracle reads the true densities, species and lattice; the '
    'baseline is the mean density, the mean lattice and the commonest element.',
  )


def _means(cases):
  """Of the networks, what is no matter of atoms and crystals."""
  errors = [np.square(np.subtract(*case.occupancy)).mean() for case in cases]
  return {
    'reconstruction_mse': float(np.mean(errors)),
    'kl_nats': float(np.mean([case.nats for case in cases])),
    'lattice_units': float(np.median([case.units for case in cases])),
  }


def compare(
  columns: Mapping[str, tuple[Sequence[Case], str]],
) -> dict[str, list[matching.Comparison]]:
  """Whole crystals against the truth: cases and their way, by name."""
  return matching.compare_columns(
    {
      name: (
        [case.true for case in cases],
        [case.crystals[way] for case in cases],
      )
      for name, (cases, way) in columns.items()
    },
    gate=True,
  )


def row(
  cases: Sequence[Case],
  way: str,
  compared: Sequence[matching.Comparison],
  refused: float = 0.0,
) -> dict[str, float]:
  """What one way comes to.

  Args:
    cases: The crystals.
    way: 'networks', or one of `WAYS`.
    compared: What `compare` gives of them.
    refused: Share of crystals beside them that are misses.

  Returns:
    What `match_summary.summarize` and, of the atoms inside the box,
    `comparison.summarize_atoms` give: there `count_exact` is of the box, and
    `cell_count_exact` of the primitive cell. Of crystals whose longest vector
    is at most L Å also their number, match and strict, as `strict_L`.
  """
  whole = cell_scores.counted(match_summary.summarize(compared), refused)
  whole['cell_count_exact'] = whole.pop('count_exact')
  atoms = comparison.summarize_atoms(
    [
      comparison.compare_atoms(
        *dataclasses.astuple(case.atoms),
        *dataclasses.astuple(case.decoded[way]),
        farthest=FARTHEST,
      )
      for case in cases
    ]
  )
  longest = np.array(
    [np.linalg.norm(case.true.cell, axis=1).max() for case in cases]
  )
  parts = {}
  for limit in LONGEST:
    some = [c for c, length in zip(compared, longest, strict=True)
            if length <= limit]  # fmt: skip
    parts[f'crystals_{limit:g}'] = len(some)
    if some:
      parts[f'match_{limit:g}'] = float(np.mean([c.match for c in some]))
      parts[f'strict_{limit:g}'] = float(np.mean([c.strict for c in some]))
  return {**whole, **atoms, **parts, 'refused': refused}


def prefixed(way: str, column: Mapping[str, float]) -> dict[str, float]:
  """Match and strict of a way, for another column."""
  names = 'match', 'strict', *(f'strict_{limit:g}' for limit in LONGEST)
  return {f'{way}_{name}': column[name] for name in names if name in column}


def _baseline(run, cases):
  """Cases of a network that learnt nothing, and its error."""
  box, said = run.model.representation, cell_scores.baseline(run)
  found, _ = jax.device_get(box.atoms(said))
  (crystal,) = box.crystals(said)
  constant = [
    dataclasses.replace(
      case,
      decoded={'networks': decoded_atoms(found, 0)},
      crystals={'networks': crystal},
    )
    for case in cases
  ]
  error = cell_scores.constant_error(
    said, [case.occupancy[0] for case in cases]
  )
  return constant, error
