"""What a cell model is worth: whole crystals against the truth.

Four columns stand side by side, so that it can be told who lost what:

- train and heldout: encode, decode, read the crystal off; nothing else passed;
- oracle: the same reading of the true densities of the held-out crystals,
  which is what a perfect network would reach;
- baseline: the crystal of the mean training density, the mean lattice and the
  commonest element, which is what a network that learnt nothing would reach.

A crystal that the model refuses counts as a miss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import ase.geometry
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from crystal_jax import data
from crystal_jax.codec import batching
from crystal_jax.codec.model import Model
from crystal_jax.codec.refinement import Encoder, RefineConfig, refine_batch
from crystal_jax.evaluation import cell_report, match_summary, matching
from crystal_jax.evaluation.comparison import AtomComparison, summarize_atoms
from crystal_jax.evaluation.predict import batches
from crystal_jax.evaluation.scores import Scores
from crystal_jax.models.vae import sample_latent
from crystal_jax.representation import symmetric_places
from crystal_jax.structure.crystal import Crystal, unstack
from crystal_jax.training import losses
from crystal_jax.training.run import Run
from crystal_jax.training.state import TrainState

# Of `summarize_atoms`, what is asked of cells.
_OF_ATOMS = 'nearest_median', 'nearest_p90', 'species_accuracy'
# The distance that counts where nothing was decoded, Å.
_FARTHEST = 5.0


@dataclasses.dataclass(frozen=True)
class Case:
  """One crystal and what came back.

  Attributes:
    id: Of the data set.
    true: In its standard frame.
    found: Off the latent's mean; or the reason why there is none.
    occupancy: True and decoded, [2, G, G, G].
    comparison: Of `true` and `found`; None until they were compared.
  """

  id: str
  true: Crystal
  found: Crystal | str
  occupancy: np.ndarray
  comparison: matching.Comparison | None = None

  def drawn(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places (Å) and numbers of both; in the true lattice they lie alike."""
    cell = np.asarray(self.true.cell)
    return [
      (_inside(crystal) @ cell, np.asarray(crystal.numbers))
      for crystal in (self.true, self.found)
    ]


def score(run: Run, state: TrainState) -> Scores:
  """Scores of the averaged parameters on some crystals of each split.

  Args:
    run: What was trained.
    state: Its state.

  Returns:
    In each of train, heldout (if any), oracle and baseline: the crystals, the
    error of the occupancy, how near the atoms are (Å) and what
    `match_summary.summarize` gives. Of the networks also `kl_nats`, `refused`
    (share that the model cannot take, misses in all that is counted), and of
    held-out crystals `sampled_match`, from one sample of the posterior, and
    `codec_match`, what `Codec.decode` gives.
  """
  params = averaged(state)
  ask = make_ask(run.model, params)
  means, columns = {}, {}
  for split in run.arrays:
    means[split], cases, extra = _split(run, ask, split)
    columns[split] = cases, [case.found for case in cases]
  # Of the last of them, the held-out crystals if there are any.
  finished = _finished(run.model, params, cases)
  said = baseline(run)
  columns |= {
    'sampled': (cases, extra['sampled']),
    'codec': (cases, finished),
    'oracle': (cases, extra['oracle']),
    'baseline': (cases, run.model.representation.crystals(said) * len(cases)),
  }
  compared = matching.compare_columns(
    {
      name: ([case.true for case in some], found)
      for name, (some, found) in columns.items()
    },
    gate=True,
  )
  refused = refused_shares(run, columns)
  rows = {
    name: _row(*columns[name], compared[name], refused[name])
    for name in columns
  }
  means['oracle'] = {'reconstruction_mse': 0.0}
  means['baseline'] = {
    'reconstruction_mse': constant_error(said, extra['occupancy'])
  }
  results = {name: row | rows[name] for name, row in means.items()}
  for name in 'sampled', 'codec':
    results[split] |= _prefixed(f'{name}_', rows[name])
  cases = [
    dataclasses.replace(case, comparison=comparison)
    for case, comparison in zip(cases, compared[split], strict=True)
  ]
  crystals = {
    case.id: crystal
    for case, crystal in zip(cases, finished, strict=True)
    if isinstance(crystal, Crystal)
  }
  return Scores(
    results=results,
    crystals=crystals,
    sections=cell_report.sections(cases, run.config.eval.pictures),
    note='From one latent comes the whole crystal, lattice and species '
    'included. The oracle reads the true densities; the baseline is the mean '
    'density, the mean lattice and the commonest element.',
  )


def _finished(model, params, cases) -> list[Crystal | str]:
  """What a codec gives of the means of latents."""
  encoder = Encoder(model.representation, model.networks, params)
  means, _ = encoder.latents([case.true for case in cases], batching.SIZE)
  results = refine_batch(
    encoder,
    means,
    {},
    [case.found for case in cases],
    symmetrize=symmetric_places.TOLERANCE,
    refine_which='auto',
    config=RefineConfig(),
  )
  return [result.crystal for result in results]


def averaged(state: TrainState) -> PyTree:
  """The averaged parameters, on one device."""
  return jax.tree.map(lambda x: x.addressable_data(0), state.ema)


def make_ask(model: Model, params: PyTree):
  """`(key, batch) -> (examples, outputs, outputs of a sample, KL)`, jitted."""

  @jax.jit
  def ask(params, key, batch):
    examples = model.representation.examples(None, batch)
    mean, log_var = model.networks.encode(params, examples.inputs)
    noise = jax.random.normal(key, mean.shape)
    sampled = sample_latent(mean, log_var, noise)
    return (
      examples,
      model.networks.decode(params, mean),
      model.networks.decode(params, sampled),
      losses.kl(mean, log_var, 0.0),
    )

  return lambda key, batch: ask(params, key, batch)


def _split(run, ask, split):
  """Means over a split, its cases, and what else the last one is asked for."""
  read = run.model.representation.crystals
  cases, errors, nats = [], [], []
  extra = {'sampled': [], 'oracle': [], 'occupancy': []}
  for number, (ids, batch) in enumerate(batches(run, split)):
    key = jax.random.fold_in(jax.random.key(2), number)
    examples, outputs, sampled, kl = ask(key, batch)
    targets = examples.targets
    true = unstack(
      Crystal(
        batch['numbers'],
        np.einsum('bni,bij->bnj', batch['fractional'], batch['cell']),
        batch['cell'],
      )
    )[: len(ids)]
    occupancy = np.stack(
      [np.asarray(x['occupancy']) for x in (targets, outputs)], axis=1
    )
    found = read(outputs)
    cases += map(Case, ids, true, found, occupancy)
    errors += (
      np.square(occupancy[:, 0] - occupancy[:, 1])
      .mean((1, 2, 3))[: len(ids)]
      .tolist()
    )
    nats += np.asarray(kl)[: len(ids)].tolist()
    if split == list(run.arrays)[-1]:
      extra['sampled'] += read(sampled)[: len(ids)]
      extra['oracle'] += read(targets)[: len(ids)]
      extra['occupancy'] += list(occupancy[: len(ids), 0])
  means = {
    'reconstruction_mse': float(np.mean(errors)),
    'kl_nats': float(np.mean(nats)),
  }
  return means, cases, extra


def refused_shares(run: Run, columns: Iterable[str]) -> dict[str, float]:
  """Share of the crystals that the model cannot take, by column.

  What is no split is of the crystals of the last one.
  """
  last, shares = list(run.arrays)[-1], {}
  for name in columns:
    split = name if name in run.arrays else last
    refused = run.refused[split]
    shares[name] = refused / (refused + len(run.arrays[split]['numbers']))
  return shares


def _row(cases, found, compared, refused):
  """A row of the table."""
  row = counted(match_summary.summarize(compared), refused)
  atoms = summarize_atoms(
    [compare_atoms(c.true, f) for c, f in zip(cases, found, strict=True)]
  )
  row |= {name: atoms[name] for name in _OF_ATOMS}
  return {**row, 'refused': refused}


def counted(row: Mapping[str, float], refused: float) -> dict[str, float]:
  """A summary in which a share of crystals, refused, are misses too."""
  shares = {name: row[name] * (1.0 - refused) for name in _SHARES & row.keys()}
  return {**row, **shares}


# What a refused crystal counts as a miss in.
_SHARES = frozenset(
  ('match', 'strict', 'formula_exact', 'count_exact', 'match_gated')
)


def compare_atoms(true: Crystal, found: Crystal | str) -> AtomComparison:
  """The atoms of two crystals that lie in the same frame.

  Distances are the shortest over all images, in the true lattice.
  """
  numbers, cell = np.asarray(true.numbers), np.asarray(true.cell)
  if not isinstance(found, Crystal):
    return AtomComparison(
      np.full(len(numbers), _FARTHEST),
      np.zeros(0),
      numbers,
      np.zeros_like(numbers),
      False,
    )
  places = np.asarray(found.positions) @ np.linalg.inv(found.cell) @ cell
  _, apart = ase.geometry.get_distances(
    np.asarray(true.positions), places, cell=cell, pbc=True
  )
  return AtomComparison(
    true_distances=apart.min(axis=1),
    decoded_distances=apart.min(axis=0),
    true_numbers=numbers,
    nearest_numbers=np.asarray(found.numbers)[apart.argmin(axis=1)],
    count_exact=len(numbers) == len(found.numbers),
  )


def baseline(run: Run) -> dict[str, np.ndarray]:
  """What a network that learnt nothing would say: outputs of one crystal."""
  representation, arrays = run.model.representation, run.arrays['train']
  total, examples = 0.0, jax.jit(representation.examples)
  seen = list(batches(run, 'train'))
  for _, batch in seen:
    total = total + np.asarray(
      examples(None, batch).targets['occupancy'], np.float64
    ).mean(0)
  counts = data.count_atoms(arrays)
  commonest = jnp.full((1,), int(counts.argmax()))
  return {
    'occupancy': (total / len(seen)).astype(np.float32)[None],
    'codes': jax.device_get(representation.code_field(commonest)),
    'lattice': arrays['lattice'].mean(0, keepdims=True),
  }


def constant_error(
  said: Mapping[str, np.ndarray], occupancy: Sequence[np.ndarray]
) -> float:
  """Squared error of a baseline's occupancy."""
  (constant,) = said['occupancy']
  return float(np.mean([np.square(constant - one).mean() for one in occupancy]))


def _prefixed(prefix: str, row: Mapping[str, float]) -> dict[str, float]:
  names = 'match', 'rmse', 'strict', 'formula_exact'
  return {f'{prefix}{name}': row[name] for name in names}


def _inside(crystal) -> np.ndarray:
  """Fractional coordinates, those at a wall at the lower one."""
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(crystal.cell)
  return (fractional + 0.02) % 1.0 - 0.02
