"""`score`: validity, novelty, coverage and distributions of crystals."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from crystal_jax.evaluation.samples.reference import Reference
  from crystal_jax.stability.scores import Stability

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SampleScores:
  """Scores of generated crystals.

  Attributes:
    reference: Name of the data set.
    metrics: By name; shares, unless `describe_metric` says otherwise. NaN where
      nothing could be evaluated.
    heldout: The same metrics of the reference's own held-out crystals. Its
      distances and coverage are those of training crystals, as many as there
      are samples, against the held-out ones.
    crystals: One row per sample: id, formula, valid_structure,
      valid_composition (None: not evaluated), unique, novel, failure; with
      stability above_hull (eV/atom), relaxed, steps and stability_failure.
    left_out: Metrics that were not evaluated, with the reason.
  """

  reference: str
  metrics: Mapping[str, float]
  heldout: Mapping[str, float]
  crystals: Sequence[Mapping[str, Any]]
  left_out: Mapping[str, str]

  def table(self) -> str:
    """A Markdown table of all metrics."""
    from crystal_jax.evaluation.samples import table

    columns = {'samples': self.metrics, 'held out': self.heldout}
    return table.markdown(columns, self.left_out)

  def to_json(self) -> dict[str, Any]:
    """Everything as JSON; NaN becomes None."""
    return {
      'reference': self.reference,
      'metrics': _finite(self.metrics),
      'heldout': _finite(self.heldout),
      'left_out': dict(self.left_out),
      'crystals': [_finite(row) for row in self.crystals],
    }


def score(
  crystals: Any,
  reference: str | os.PathLike[str] | Reference,
  *,
  ids: Sequence[str] | None = None,
  k: int = 20,
  coverage: bool | None = None,
  stability: Stability | None = None,
  cache: str | os.PathLike[str] | None = None,
  workers: int | None = None,
) -> SampleScores:
  """Scores crystals of any generator against a data set.

  Args:
    crystals: Samples: `Crystal`, `ase.Atoms` or pymatgen's `Structure`. In a
      sequence None, or a str that says why, is a sample without a crystal:
      invalid, and neither unique nor novel. So is an object that is refused,
      such as one with two atoms within 0.4 Å.
    reference: The data set: the stem of compact files, a prepared folder, a
      folder of CSV files, 'mp_20', 'perov_5' or 'carbon_24'; see
      `samples.reference.load_reference`.
    ids: Names of the samples. None: their indices.
    k: Candidates per composition in `match_k`.
    coverage: Whether to evaluate coverage, about 0.03 s a crystal. None: if
      `matminer` is installed.
    stability: How to evaluate stability; None: it is left out.
    cache: Folder where results of the data set's own crystals are kept for the
      next time. None: they are not.
    workers: Processes. None: one per core. 0: this process.

  Returns:
    Metrics, beside those of the reference's own held-out crystals.

  Raises:
    FileNotFoundError: If there is no such reference.
    ValueError: If there are no crystals, or the numbers of ids and crystals
      differ.
  """
  from crystal_jax.evaluation.samples import columns
  from crystal_jax.evaluation.samples.options import make_options
  from crystal_jax.evaluation.samples.reference import Reference, load_reference

  samples = _samples(crystals)
  ids = [str(i) for i in range(len(samples))] if ids is None else list(ids)
  if not any(isinstance(sample, Crystal) for sample in samples):
    raise ValueError('Got no crystals to score.')
  if len(ids) != len(samples):
    raise ValueError(f'Got {len(ids)} ids for {len(samples)} crystals.')
  if not isinstance(reference, Reference):
    reference = load_reference(reference)
  options = make_options(
    k, coverage, workers, stability, None if cache is None else Path(cache)
  )
  for name, reason in options.left_out.items():
    _log.info('%s is left out: %s', name, reason)
  metrics, rows = columns.score_samples(samples, reference, options)
  return SampleScores(
    reference=reference.name,
    metrics=metrics,
    heldout=columns.score_heldout(len(samples), reference, options),
    crystals=[{'id': i, **row} for i, row in zip(ids, rows, strict=True)],
    left_out=options.left_out,
  )


def _samples(crystals: Any) -> list[Crystal | str]:
  """Crystals, or the reasons why there is none."""
  from crystal_jax.structure import adapters

  if not isinstance(crystals, Sequence):
    crystals = adapters.to_crystals(crystals)
  samples: list[Crystal | str] = []
  for item in crystals:
    if item is None or isinstance(item, str):
      samples.append(item or 'no crystal')
      continue
    for each in adapters.to_crystals(item):
      samples.append(each if isinstance(each, Crystal) else each.reason)
  return samples


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
  """The same with None for NaN."""
  return {
    name: None if isinstance(value, float) and math.isnan(value) else value
    for name, value in row.items()
  }
