"""What a coded box is worth: the atoms it shows, and crystals out of it.

The paper's measure is the distance from each true atom inside the box to the
nearest decoded one, and back. Beside it stand whole crystals, of which nothing
but the latent is known, also of those alone that a box of 10 Å can show: all
vectors up to 6.67 Å, and up to 10 Å.

Columns are those of `cell_scores`. Where a crystal is lost can be told from
rows of the last split, each a network perfect from some step on:

- `true_lattice`: places and species as decoded, the true lattice beside;
- `true_species`: the places as decoded, all else true;
- oracle: everything true.

The atoms of `crystal` are those of the crystal that came back, laid in the box
again: what the box shows many times is then told once, and is right or wrong
everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, PyTree

from crystal_jax.crystal import Crystal
from crystal_jax.evaluation import (
  cell_report,
  cell_scores,
  comparison,
  match_summary,
  matching,
  paper_figures,
  walks,
)
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms, true_atoms
from crystal_jax.evaluation.box_cases import FARTHEST
from crystal_jax.evaluation.predict import batches
from crystal_jax.evaluation.scores import Scores
from crystal_jax.model import Model
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

# Longest vectors of the crystals that are counted apart, Å.
LONGEST = 6.67, 10.0
# Ways to a crystal beside the networks' own, and the oracle last.
WAYS = 'sampled', 'true_lattice', 'true_species', 'oracle'
# What is given of the crystal's atoms.
_ATOMS = 'count_exact', 'nearest_median', 'nearest_p90'


@dataclasses.dataclass(frozen=True)
class Case:
  """One crystal and what came back.

  Attributes:
    id: Of the data set.
    true: As it lies in the box.
    atoms: What the box shows of it.
    decoded: The atoms that were found, by the way they were.
    crystals: Their crystals, or the reasons why there is none.
    occupancy: True and decoded, [2, G, G, G].
    nats: KL of the latent.
    units: Largest error of the lattice that the networks say, in
      `lattice_latent.UNITS`.
    comparison: Of `true` and `found`; None until they were compared.
  """

  id: str
  true: Crystal
  atoms: Atoms
  decoded: Mapping[str, Atoms]
  crystals: Mapping[str, Crystal | str]
  occupancy: np.ndarray
  nats: float
  units: float
  comparison: matching.Comparison | None = None

  @property
  def found(self) -> Crystal | str:
    """What the networks give."""
    return self.crystals['networks']

  def drawn(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places (Å) and numbers of the atoms inside, true and decoded."""
    return [
      (each.positions[each.inside], each.numbers[each.inside])
      for each in (self.atoms, self.decoded['networks'])
    ]


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
  params, results = cell_scores.averaged(state), {}
  last = list(run.arrays)[-1]
  for split in run.arrays:
    ways = WAYS if split == last else ()
    cases = decode_cases(run.model, params, batches(run, split), ways)
    refused = cell_scores.refused_share(run, split)
    results[split], cases = networks_row(cases, refused)
    again = row(
      [laid_again(case, run.model) for case in cases],
      'crystal',
      compared=[case.comparison for case in cases],
    )
    results[split] |= {f'crystal_{name}': again[name] for name in _ATOMS}
  # Of the last of them, the held-out crystals if there are any.
  for way in WAYS[:-1]:
    results[last] |= prefixed(way, row(cases, way, refused))
  results['oracle'] = row(cases, 'oracle', refused) | {
    'reconstruction_mse': 0.0
  }
  results['baseline'] = _baseline_row(run, cases, refused)
  _, some = next(iter(batches(run, last)))
  return Scores(
    results=results,
    crystals={
      case.id: case.found for case in cases if isinstance(case.found, Crystal)
    },
    sections=[
      *paper_figures.sections(cases),
      *cell_report.sections(cases, run.config.eval.pictures),
      *walks.sections(run.model, params, some, jax.random.key(3)),
    ],
    note='From one latent comes the whole crystal, lattice and species '
    'included. The oracle reads the true densities, species and lattice; the '
    'baseline is the mean density, the mean lattice and the commonest element.',
  )


def decode_cases(
  model: Model,
  params: PyTree,
  some: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
  ways: Sequence[str] = (),
) -> list[Case]:
  """Crystals there and back; those that the box cannot show are left out.

  Args:
    model: A coded box.
    params: Its parameters.
    some: Ids and batches, as `predict.batches` gives them.
    ways: Which of `WAYS` are gone beside the networks' own.
  """
  box, ask = model.representation, cell_scores.make_ask(model, params)
  cases = []
  for number, (ids, batch) in enumerate(some):
    key = jax.random.fold_in(jax.random.key(2), number)
    examples, outputs, sampled, nats = ask(key, batch)
    targets, valid = jax.device_get((examples.targets, examples.valid))
    said = _ways(outputs, sampled, examples.targets)
    found = {way: box.atoms(said[way]) for way in ('networks', *ways)}
    found, nats = jax.device_get((found, nats))
    said = {way: jax.device_get(dict(said[way])) for way in found}
    networks = said['networks']
    for i, name in enumerate(ids):
      if not valid[i]:
        continue
      one = {way: _one(every, i) for way, every in found.items()}
      filled = batch['numbers'][i] > 0
      numbers, cell = batch['numbers'][i][filled], targets['cell'][i]
      positions = targets['positions'][i][filled]
      repeats = cell if box.box.repeats else None
      wrong = (networks['lattice'][i] - targets['lattice'][i]) / UNITS
      cases.append(
        Case(
          id=name,
          true=Crystal(numbers, positions, cell),
          atoms=true_atoms(positions, numbers, repeats, box.box.grid, FARTHEST),
          decoded={way: decoded_atoms(found[way][0], i) for way in found},
          crystals={
            way: box.crystal(*one[way], _one(said[way], i)) for way in found
          },
          occupancy=np.stack(
            [targets['occupancy'][i], networks['occupancy'][i]]
          ),
          nats=float(nats[i]),
          units=float(np.abs(wrong).max()),
        )
      )
  return cases


def laid_again(
  case: Case, model: Model, crystal: Crystal | str | None = None
) -> Case:
  """The case with the way `crystal`: its atoms are the crystal's.

  Args:
    case: What came back.
    model: A coded box.
    crystal: In the frame of what came back; None: that itself.
  """
  crystal = case.found if crystal is None else crystal
  atoms, box = case.decoded['networks'], model.representation.box
  if isinstance(crystal, Crystal):
    repeats = crystal.cell if box.repeats else None
    atoms = true_atoms(
      crystal.positions, crystal.numbers, repeats, box.grid, FARTHEST
    )
  return dataclasses.replace(
    case,
    decoded={**case.decoded, 'crystal': atoms},
    crystals={**case.crystals, 'crystal': crystal},
  )


def _ways(outputs, sampled, targets) -> dict[str, dict[str, Array]]:
  """What is read on each way."""
  lattice = {'lattice': targets['lattice']}
  occupancy = {'occupancy': outputs['occupancy']}
  return {
    'networks': outputs,
    'sampled': sampled,
    'true_lattice': {**outputs, **lattice},
    'true_species': {**targets, **occupancy},
    'oracle': targets,
  }


def _one(tree, index):
  return jax.tree.map(lambda leaf: leaf[index], tree)


def networks_row(
  cases: Sequence[Case], refused: float
) -> tuple[dict[str, float], list[Case]]:
  """The column of the networks, and the cases with their comparisons."""
  compared = compare(cases, 'networks')
  errors = [np.square(np.subtract(*case.occupancy)).mean() for case in cases]
  column = {
    'reconstruction_mse': float(np.mean(errors)),
    **row(cases, 'networks', refused, compared),
    'kl_nats': float(np.mean([case.nats for case in cases])),
    'lattice_units': float(np.median([case.units for case in cases])),
  }
  return column, [
    dataclasses.replace(case, comparison=one)
    for case, one in zip(cases, compared, strict=True)
  ]


def compare(cases: Sequence[Case], way: str) -> list[matching.Comparison]:
  """Whole crystals against the truth."""
  return matching.compare(
    [case.true for case in cases],
    [case.crystals[way] for case in cases],
    gate=True,
  )


def row(
  cases: Sequence[Case],
  way: str,
  refused: float = 0.0,
  compared: Sequence[matching.Comparison] | None = None,
) -> dict[str, float]:
  """What one way comes to.

  Args:
    cases: The crystals.
    way: 'networks', or one of `WAYS`.
    refused: Share of crystals beside them that are misses.
    compared: What `compare` gives, if it is known already.

  Returns:
    What `match_summary.summarize` and, of the atoms inside the box,
    `comparison.summarize_atoms` give: there `count_exact` is of the box, and
    `cell_count_exact` of the primitive cell. Of crystals whose longest vector
    is at most L Å also their number, match and strict, as `strict_L`.
  """
  compared = compared or compare(cases, way)
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


def _baseline_row(run, cases, refused):
  """The column of a network that learnt nothing."""
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
  return {'reconstruction_mse': error, **row(constant, 'networks', refused)}
