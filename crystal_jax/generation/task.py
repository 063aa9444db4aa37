"""The task 'prior': model, loss and scores of a prior on a codec's latents."""

from __future__ import annotations

import os

import ml_collections
import numpy as np
from jaxtyping import PyTree

from crystal_jax.codec.model import Model
from crystal_jax.evaluation import matching
from crystal_jax.evaluation.predict import averaged_params, evenly_spaced
from crystal_jax.evaluation.scores import Scores
from crystal_jax.generation import (
  checks,
  integration,
  latent_sampling,
  prior_file,
)
from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation.conditions import DropRates
from crystal_jax.generation.loss import PriorLoss, PriorLossWeights
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.representation import Cell, known_composition
from crystal_jax.structure import composition, elements
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training.first_stage import FirstStage
from crystal_jax.training.latents import Latents
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState


def make_model(config: ml_collections.ConfigDict) -> Model:
  """The prior `config.prior` on the latents of the codec `config.first_stage`.

  Args:
    config: `config.model` of a run.

  Raises:
    ValueError: If the codec is not one of whole cells.
  """
  stage = FirstStage.of(config.first_stage)
  cell = stage.model.representation
  if not isinstance(cell, Cell):
    raise ValueError(
      'A prior needs a codec of whole cells, not of '
      f'{config.first_stage.model.representation!r}.'
    )
  options = dict(config.prior)
  options.pop('columns')  # Read by `columns`.
  networks = PriorNetworks(
    latent_size=stage.model.latent_size,
    max_atoms=cell.max_atoms,
    **options,
  )
  return Model('prior', Latents(stage), networks)


def make_loss(
  model: Model, config: ml_collections.ConfigDict, *, training: bool
) -> PriorLoss:
  """The loss `config.prior_loss`, where `config` is `config.train` of a run."""
  options = dict(config.prior_loss)
  drop = DropRates(**options.pop('drop'))
  return PriorLoss(model, PriorLossWeights(drop=drop, **options), training)


def columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Columns of the data set that conditions need; `config` is a run's."""
  return (*config.model.prior.columns, *config.model.prior.properties)


def read_params(folder: str | os.PathLike[str]) -> PyTree:
  """Parameters of a folder that holds an exported prior.

  Raises:
    FileNotFoundError: If the folder has no prior.
    ValueError: If the prior is damaged.
  """
  _, params, _ = prior_file.read(folder)
  return params


def score(run: Run, state: TrainState) -> Scores:
  """Scores of one draw for each crystal of a split, given its composition.

  Noise scale and guidance are the defaults of `Codec.sample`.

  Args:
    run: The run.
    state: Its train state; the averaged parameters are evaluated.

  Returns:
    For each split: `crystals`, the number of crystals, and the shares of draws
    that match their crystal (`match`, by the published matcher), have its
    formula (`formula`), and are valid in distances and volume (`valid`).
  """
  results = {}
  for split, arrays in run.arrays.items():
    references = _reference_crystals(arrays, run.config.eval.crystals)
    sampled = _sample_crystals(run, averaged_params(state), references)
    compared = matching.compare(references, sampled, workers=0, progress=False)
    valid = [
      isinstance(sample, Crystal) and checks.why_invalid(sample) is None
      for sample in sampled
    ]
    results[split] = {
      'crystals': float(len(references)),
      'match': float(np.mean([c.match for c in compared])),
      'formula': float(np.mean([c.formula_exact for c in compared])),
      'valid': float(np.mean(valid)),
    }
  scored_split = 'heldout' if 'heldout' in results else 'train'
  return Scores(
    results=results,
    crystals={},
    headline=(
      f'{results[scored_split]["match"]:.1%} of '
      f'{results[scored_split]["crystals"]:.0f} {scored_split} crystals are '
      'matched by one draw of their composition.'
    ),
    sections=(),
    note='One draw for the composition and number of atoms of each crystal.',
  )


def _reference_crystals(arrays, number: int) -> list[Crystal]:
  """Evenly spaced crystals of a split."""
  crystals = []
  for row in evenly_spaced(len(arrays['id']), number):
    numbers = np.asarray(arrays['numbers'][row])
    cell = np.asarray(arrays['cell'][row], np.float64)
    positions = np.asarray(arrays['fractional'][row], np.float64) @ cell
    filled = numbers > 0
    crystals.append(Crystal(numbers[filled], positions[filled], cell))
  return crystals


def _sample_crystals(run, params, references) -> list[Crystal | str]:
  """One draw for each reference's composition, or why it has no crystal."""
  networks, stage = run.model.networks, run.model.representation.stage
  counts = [
    np.bincount(c.numbers - 1, minlength=elements.MAX_NUMBER)
    for c in references
  ]
  given = conditions_lib.from_counts(
    np.array(counts, np.float32), len(networks.properties)
  )
  z = latent_sampling.sample_latents(
    networks, params, given, seed=0, index=np.arange(len(references))
  )
  contents = [
    composition.contents(
      dict(composition.unit_of(c.numbers)), num_atoms=len(c.numbers)
    )
    for c in references
  ]
  crystals: list[Crystal | str] = []
  for start in range(0, len(z), integration.BATCH_SIZE):
    batch = slice(start, start + integration.BATCH_SIZE)
    outputs = stage.outputs(z[batch])
    crystals += known_composition.crystals(
      stage.model.representation, outputs, contents[batch]
    )
  return crystals
