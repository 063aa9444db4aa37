"""The task 'prior': a model, a loss and scores, from a config."""

from __future__ import annotations

import ml_collections
import numpy as np

from crystal_jax.codec.model import Model
from crystal_jax.evaluation import matching
from crystal_jax.evaluation.scores import Scores
from crystal_jax.generation import checks, integration
from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.conditions import DropRates
from crystal_jax.generation.loss import PriorLoss, PriorLossWeights
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.representation import Cell, known_composition
from crystal_jax.structure import elements
from crystal_jax.structure.composition import Contents, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training.first_stage import FirstStage
from crystal_jax.training.latents import Latents
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

# Guidance in the scores of a run.
_GUIDANCE = 2.0


def make_model(config: ml_collections.ConfigDict) -> Model:
  """The prior of `config.first_stage` and `config.prior`."""
  stage = FirstStage.of(config.first_stage)
  cell = stage.model.representation
  if not isinstance(cell, Cell):
    raise ValueError(
      'A prior needs a codec of whole cells, not of '
      f'{config.first_stage.model.representation!r}.'
    )
  options = dict(config.prior)
  options.pop('columns')
  networks = PriorNetworks(
    size=stage.model.latent_size,
    max_atoms=cell.max_atoms,
    **options,
  )
  return Model('prior', Latents(stage), networks)


def make_loss(
  model: Model, config: ml_collections.ConfigDict, *, training: bool
) -> PriorLoss:
  """The loss of `config.prior_loss`."""
  options = dict(config.prior_loss)
  drop = DropRates(**options.pop('drop'))
  return PriorLoss(model, PriorLossWeights(drop=drop, **options), training)


def columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Columns of the data set from which conditions are made."""
  return (*config.model.prior.columns, *config.model.prior.properties)


def score(run: Run, state: TrainState) -> Scores:
  """Scores of one draw for the composition of each crystal of a sample.

  Columns train and heldout: `crystals`, `match` (the published matcher's, at
  the first try), `formula` and `valid` (distances and volume), shares of all.
  """
  params = {**state.ema}
  results = {}
  for split, arrays in run.arrays.items():
    true = _true(arrays, run.config.eval.crystals)
    sampled = _draw(run, params, true)
    compared = matching.compare(true, sampled, workers=0, progress=False)
    crystals = [c for c in sampled if isinstance(c, Crystal)]
    valid = [checks.why_invalid(c) is None for c in crystals]
    results[split] = {
      'crystals': float(len(true)),
      'match': float(np.mean([c.match for c in compared])),
      'formula': float(np.mean([c.formula_exact for c in compared])),
      'valid': sum(valid) / len(true),
    }
  scored_split = 'heldout' if 'heldout' in results else 'train'
  note = 'One draw for the composition and number of atoms of each crystal.'
  return Scores(
    results=results,
    crystals={},
    headline=(
      f'{results[scored_split]["match"]:.1%} of '
      f'{results[scored_split]["crystals"]:.0f} {scored_split} crystals are '
      'matched by one draw of their composition.'
    ),
    sections=(),
    note=note,
  )


def _true(arrays, number: int) -> list[Crystal]:
  """Evenly spaced crystals of a split."""
  rows = np.linspace(0, len(arrays['id']) - 1, number).astype(int)
  found = []
  for row in np.unique(rows):
    numbers = np.asarray(arrays['numbers'][row])
    cell = np.asarray(arrays['cell'][row], np.float64)
    positions = np.asarray(arrays['fractional'][row], np.float64) @ cell
    filled = numbers > 0
    found.append(Crystal(numbers[filled], positions[filled], cell))
  return found


def _draw(run, params, true) -> list[Crystal | str]:
  """A crystal of the composition of each true one."""
  networks, stage = run.model.networks, run.model.representation.stage
  counts = [
    np.bincount(c.numbers - 1, minlength=elements.MAX_NUMBER) for c in true
  ]
  given = conditions_lib.from_counts(
    np.array(counts, np.float32), len(networks.properties)
  )
  start = integration.noise(0, np.arange(len(true)), networks.size)
  z = integration.integrate(networks, params, start, given, guidance=_GUIDANCE)
  contents = []
  for crystal in true:
    unit = unit_of(crystal.numbers)
    size = sum(count for _, count in unit)
    contents.append(Contents(unit, len(crystal.numbers) // size))
  found: list[Crystal | str] = []
  for first in range(0, len(z), integration.SIZE):
    part = slice(first, first + integration.SIZE)
    outputs = stage.outputs(z[part])
    found += known_composition.crystals(
      stage.model.representation, outputs, contents[part]
    )
  return found
