"""Energies above the hull of relaxed crystals, and shares below limits."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tqdm
from jaxtyping import Float

from crystal_jax.stability import calculators, relaxation
from crystal_jax.stability.cache import Cache, key_of
from crystal_jax.stability.hull import Hull
from crystal_jax.stability.relaxation import RelaxConfig, Relaxed
from crystal_jax.structure.crystal import Crystal

# Energies above the hull that count as stable, eV/atom.
LIMITS = 0.0, 0.1


@dataclasses.dataclass(frozen=True)
class Stability:
  """Options of the evaluation of stability.

  Attributes:
    energies: Energies of the training crystals, in their order, eV/atom.
    references: Energies of elements without a crystal of their own, eV/atom;
      None: none.
    calculator: See `calculators.load_calculator`.
    samples: Number of samples, from the first on, and of held-out crystals that
      are relaxed.
    config: Limits of a relaxation.
    cache: File of results; None: none is kept.
  """

  energies: Float[np.ndarray, 'M']
  references: Float[np.ndarray, 'E'] | None = None
  calculator: str = calculators.CHGNET
  samples: int = 200
  config: RelaxConfig = RelaxConfig()
  cache: pathlib.Path | None = None

  def hull(self, known: Sequence[Crystal]) -> Hull:
    """The hull of the training crystals."""
    return Hull.of(known, self.energies, self.references)


def read_energies(
  path: pathlib.Path,
) -> tuple[Float[np.ndarray, 'M'], Float[np.ndarray, 'E'] | None]:
  """Energies `train` and `references` of an npz file.

  Raises:
    ValueError: If it has no array `train`.
  """
  with np.load(path, allow_pickle=False) as file:
    if 'train' not in file:
      raise ValueError(
        f'{path} has no array train, the energy of each training crystal in '
        f'eV/atom; it has {", ".join(file)}.'
      )
    return file['train'], file['references'] if 'references' in file else None


class Evaluator:
  """Energies above the hull, one crystal at a time; see `evaluate`."""

  def __init__(self, hull: Hull, stability: Stability):
    """Reads the file of results; the potential waits until it is needed."""
    self._hull, self._stability = hull, stability
    self._cache = Cache(stability.cache)

  def row(self, sample: Crystal | str) -> dict[str, Any]:
    """Energy above the hull of a crystal without empty slots; see `evaluate`.

    Args:
      sample: A crystal, or the reason why there is none.
    """
    if isinstance(sample, str):
      return _row(failure=sample)
    found = self._relaxed(sample)
    if 'failure' in found:
      return _row(failure=found['failure'])
    above = self._hull.above(np.asarray(sample.numbers), found['energy'])
    if np.isnan(above):
      return _row(failure='no known crystals of these elements')
    return _row(above, found['converged'], found['steps'])

  @functools.cached_property
  def _calculator(self) -> Any:
    return calculators.load_calculator(self._stability.calculator)

  def _relaxed(self, crystal: Crystal) -> dict[str, Any]:
    """Energy, steps and convergence, or the failure."""
    config = self._stability.config
    settings = self._stability.calculator, *dataclasses.astuple(config)
    key = key_of(crystal, *settings)
    found = self._cache.get(key)
    if found is None:
      result = relaxation.relax(crystal, self._calculator, config)
      if isinstance(result, Relaxed):
        found = {
          'energy': result.energy,
          'steps': result.steps,
          'converged': result.converged,
        }
      else:
        found = {'failure': result}
      self._cache.put(key, found)
    return found


def evaluate(
  samples: Sequence[Crystal | str], hull: Hull, stability: Stability
) -> list[dict[str, Any]]:
  """Rows with energies above the hull of the first samples.

  Args:
    samples: Crystals, or the reasons why there is none.
    hull: Hull of the known crystals.
    stability: Options; at most `stability.samples` rows are returned.

  Returns:
    `above_hull` (eV/atom; NaN where there is none), `relaxed` (whether forces
    are below the limit), `steps`, `stability_failure` ('' if none) of each.
  """
  evaluator = Evaluator(hull, stability)
  bar = tqdm.tqdm(
    samples[: stability.samples],
    desc='relaxing',
    unit='',
    disable=None,
  )
  return [evaluator.row(sample) for sample in bar]


def shares(
  rows: Sequence[Mapping[str, Any]], new: Sequence[bool]
) -> dict[str, float]:
  """Shares of stable crystals, of all rows.

  Args:
    rows: Rows returned by `evaluate`.
    new: Whether each is unique and novel.

  Returns:
    `stability_crystals` (how many), `relaxed`, `above_hull` (median of those
    that have one, eV/atom), `stable_0`, `stable_0.1`, `sun_0`, `sun_0.1`: at or
    below 0 and 0.1 eV/atom, and unique and novel as well.
  """
  above = np.array([row['above_hull'] for row in rows], np.float64)
  finite = above[np.isfinite(above)]
  metrics = {
    'stability_crystals': float(len(rows)),
    'relaxed': float(np.mean([row['relaxed'] for row in rows])),
    'above_hull': float(np.median(finite)) if len(finite) else float('nan'),
  }
  is_new = np.asarray(new, bool)
  for limit in LIMITS:
    stable = above <= limit  # False for NaN.
    metrics[f'stable_{limit:g}'] = float(stable.mean())
    metrics[f'sun_{limit:g}'] = float((stable & is_new).mean())
  return metrics


def _row(
  above: float = float('nan'),
  is_relaxed: bool = False,
  steps: int = 0,
  failure: str = '',
) -> dict[str, Any]:
  return {
    'above_hull': above,
    'relaxed': is_relaxed,
    'steps': steps,
    'stability_failure': failure,
  }
