"""Scores of a codec of whole crystals: match, atoms and ablations.

Columns:

- train, heldout: encode, decode, compare; only the latent is passed on;
- oracle: crystals decoded from the true densities of the held-out crystals, as
  from perfect networks;
- baseline: the mean training density, the mean lattice and the commonest
  element, as from networks that learnt nothing.

A crystal that the representation refuses counts as a miss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from crystal_jax import data
from crystal_jax.codec.codec import Codec
from crystal_jax.evaluation import (
  coded_report,
  comparison,
  match_summary,
  matching,
)
from crystal_jax.evaluation.pairs import pair
from crystal_jax.evaluation.predict import averaged_params, batches
from crystal_jax.evaluation.reconstruction import (
  ABLATIONS,
  Reconstruction,
  reconstruct,
)
from crystal_jax.evaluation.scores import Scores
from crystal_jax.evaluation.views import View, make_view
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.elements import element_codes
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

# Number of held-out crystals on the page of pairs.
_PAIRS = 40
# Metrics in which refused crystals count as misses.
_SHARES = 'match', 'strict', 'formula_exact', 'match_gated', 'cell_count_exact'
# Metrics of an ablation that are in the column of its split.
_OF_ABLATION = (
  'match', 'rmse', 'strict', 'formula_exact', 'count_exact', 'nearest_median',
  'nearest_p90', 'species_accuracy',
)  # fmt: skip


def score(run: Run, state: TrainState) -> Scores:
  """Scores of the averaged parameters on crystals of each split.

  Args:
    run: A run of a coded representation.
    state: Its state.

  Returns:
    What `summarize` returns for each of train, heldout (if any), oracle and
    baseline. Train and heldout are of the codec's crystals; they also have
    `kl_nats`, `lattice_units` and metrics of the ablations, with the name as a
    prefix (`networks_match` ..). `reconstruction_mse` is the error of the
    occupancy.
  """
  codec = Codec(run.model, averaged_params(state), {'elements': None})
  view = make_view(run.model.representation)
  last = list(run.arrays)[-1]  # The held-out split, if there is one.
  rows = {
    split: reconstruct(
      codec,
      batches(run, split),
      ablations=ABLATIONS if split == last else ('networks',),
    )
    for split in run.arrays
  }
  rows[last], baseline_error = _with_baseline(run, view, rows[last])
  keys = [(split, name) for split in rows for name in rows[split][0].crystals]
  compared = matching.compare_columns(
    {
      (split, name): (
        [row.true for row in rows[split]],
        [row.crystals[name] for row in rows[split]],
      )
      for split, name in keys
    },
    gate=True,
  )
  tables = {
    (split, name): summarize(
      rows[split],
      name,
      compared[split, name],
      view,
      refused_share(run, split),
    )
    for split, name in keys
  }
  results = {s: _of_networks(rows[s]) | tables[s, 'codec'] for s in rows}
  for split, name in keys:
    if name not in ('codec', 'oracle', 'baseline'):
      results[split] |= prefixed(name, tables[split, name])
  for name, error in ('oracle', 0.0), ('baseline', baseline_error):
    results[name] = {'reconstruction_mse': error} | tables[last, name]
  pictured = [
    dataclasses.replace(row, comparison=one)
    for row, one in zip(rows[last], compared[last, 'codec'], strict=True)
  ]
  decoded = {row.id: row.crystals['codec'] for row in pictured}
  pictures = run.config.eval.pictures
  pairs = [
    pair(codec, row.id, row.true, crystal)
    for row in pictured[:_PAIRS]
    if isinstance(crystal := row.crystals['codec'], Crystal)
  ]
  return Scores(
    results=results,
    crystals={i: c for i, c in decoded.items() if isinstance(c, Crystal)},
    headline=coded_report.headline(results[last], last),
    sections=coded_report.sections(codec, view, pictured, pictures),
    note='The oracle reads crystals off the true densities; the baseline is '
    'the mean training density, the mean lattice and the commonest element.',
    pairs=pairs,
  )


def summarize(
  rows: Sequence[Reconstruction],
  name: str,
  compared: Sequence[matching.Comparison],
  view: View,
  refused: float = 0.0,
) -> dict[str, float]:
  """Metrics of the decoded crystals of one name, as a column of a table.

  Args:
    rows: The reconstructions.
    name: 'codec', or the name of an ablation.
    compared: Comparisons of its crystals with the true ones.
    view: View of the representation.
    refused: Share of crystals, beside `rows`, that are misses.

  Returns:
    The metrics of `match_summary.summarize`, and those of
    `comparison.summarize_atoms` for the atoms in the view. `count_exact` is
    that of the view, `cell_count_exact` that of the primitive cell. For each
    length L of the view also the number, match and strict match of the crystals
    whose longest lattice vector is at most L Å, such as `strict_L`.
  """
  table = match_summary.summarize(compared)
  table['cell_count_exact'] = table.pop('count_exact')
  for share in _SHARES:
    if share in table:
      table[share] *= 1.0 - refused
  table |= comparison.summarize_atoms(
    [view.compare(row.true, row.atoms[name]) for row in rows]
  )
  longest = np.array(
    [np.linalg.norm(row.true.cell, axis=1).max() for row in rows]
  )
  for limit in view.lengths:
    short = [compared[i] for i in np.flatnonzero(longest <= limit).tolist()]
    table[f'crystals_{limit:g}'] = float(len(short))
    if short:
      table[f'match_{limit:g}'] = float(np.mean([c.match for c in short]))
      table[f'strict_{limit:g}'] = float(np.mean([c.strict for c in short]))
  return table | {'refused': refused}


def prefixed(name: str, table: Mapping[str, float]) -> dict[str, float]:
  """The main figures of an ablation, with its name as a prefix."""
  return {
    f'{name}_{metric}': value
    for metric, value in table.items()
    if metric in _OF_ABLATION or metric.startswith('strict_')
  }


def refused_share(run: Run, split: str) -> float:
  """Share of the crystals of a split that the representation refuses."""
  refused = run.refused[split]
  return refused / (refused + len(run.arrays[split]['numbers']))


def _of_networks(rows: Sequence[Reconstruction]) -> dict[str, float]:
  """Errors of occupancy and lattice, and KL, of the networks."""
  errors = [np.square(np.subtract(*row.occupancy)).mean() for row in rows]
  return {
    'reconstruction_mse': float(np.mean(errors)),
    'kl_nats': float(np.mean([row.kl for row in rows])),
    'lattice_units': float(np.median([row.lattice_error for row in rows])),
  }


def _with_baseline(
  run: Run, view: View, rows: Sequence[Reconstruction]
) -> tuple[list[Reconstruction], float]:
  """Adds the crystal 'baseline'; returns its squared error of occupancy too."""
  outputs = baseline_outputs(run)
  ((crystal, atoms),) = view.read(outputs)
  constant = [
    row.with_crystal('baseline', crystal, view, atoms) for row in rows
  ]
  (mean,) = outputs['occupancy']
  errors = [np.square(mean - row.occupancy[0]).mean() for row in rows]
  return constant, float(np.mean(errors))


def baseline_outputs(run: Run) -> dict[str, Array]:
  """Outputs of networks that learnt nothing: constants of the training set."""
  examples = jax.jit(run.model.representation.examples)
  occupancies = [
    np.asarray(examples(None, batch).targets['occupancy'], np.float64).mean(0)
    for _, batch in batches(run, 'train')
  ]
  occupancy = jnp.asarray(np.mean(occupancies, axis=0), jnp.float32)[None]
  arrays = run.arrays['train']
  commonest = int(data.count_atoms(arrays).argmax())
  code = jnp.asarray(element_codes()[commonest], jnp.float32)
  return {
    'occupancy': occupancy,
    'codes': jnp.broadcast_to(code, (*occupancy.shape, len(code))),
    'lattice': jnp.asarray(arrays['lattice'].mean(0, keepdims=True)),
  }
