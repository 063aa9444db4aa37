"""Coverage recall and precision as CDVAE defines them; needs `matminer`.

A crystal's structure fingerprint is the mean of CrystalNN order parameters over
its sites, its composition fingerprint Magpie's element statistics. Recall is
the share of reference crystals with a sample within both cut-offs, precision
the share of samples with a reference crystal within both; the nearest neighbour
is taken for each fingerprint by itself, as there.

CDVAE standardizes Magpie's statistics by constants of its own training data;
here mean and deviation are those of the reference crystals.

References:
  Xie et al., arXiv:2110.06197; Zimmermann et al., 10.1039/C9RA07755C; Ward et
  al., 10.1038/npjcompumats.2016.28.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.published_matcher import to_structure
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class CutOffs:
  """Largest distances of fingerprints of crystals that cover each other.

  Attributes:
    structure: Largest distance of structure fingerprints.
    composition: Largest distance of standardized composition fingerprints.
  """

  structure: float
  composition: float


MP_20 = CutOffs(0.4, 10.0)


@dataclasses.dataclass(frozen=True)
class Fingerprint:
  """Fingerprint of one crystal.

  Attributes:
    structure: Mean of the order parameters of its sites.
    composition: Magpie's statistics.
  """

  structure: Float[np.ndarray, 'S']
  composition: Float[np.ndarray, 'E']


def has_matminer() -> bool:
  """Whether `matminer` is installed."""
  return importlib.util.find_spec('matminer') is not None


def fingerprints(
  crystals: Sequence[Crystal], *, workers: int | None = None
) -> list[Fingerprint | None]:
  """Fingerprints; None where they cannot be computed. About 1 s a crystal."""
  results = isolated_map(
    fingerprint,
    [to_host(crystal) for crystal in crystals],
    workers=workers,
    time_limit=120.0,
    batch=4,
  )
  return [None if isinstance(r, Failure) else r for r in results]


def fingerprint(crystal: Crystal) -> Fingerprint:
  """The fingerprint of one host crystal."""
  sites, elements = _featurizers()
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    structure = to_structure(crystal)
    rows = [sites.featurize(structure, i) for i in range(len(structure))]
    composition = elements.featurize(structure.composition)
  return Fingerprint(np.mean(rows, axis=0), np.array(composition, float))


@functools.cache
def _featurizers():
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    from matminer.featurizers.composition.composite import ElementProperty
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    return (
      CrystalNNFingerprint.from_preset('ops'),
      ElementProperty.from_preset('magpie'),
    )


def coverage(
  samples: Sequence[Fingerprint | None],
  reference: Sequence[Fingerprint | None],
  cut_offs: CutOffs = MP_20,
) -> dict[str, float]:
  """`coverage_recall` and `coverage_precision`.

  Args:
    samples: Fingerprints of samples; those that are None are not covered.
    reference: Fingerprints of the reference; those that are None are left out.
    cut_offs: Largest distances.

  Returns:
    Shares of reference crystals and of samples; NaN without either.
  """
  from scipy.spatial.distance import cdist

  known = [row for row in reference if row is not None]
  found = [row for row in samples if row is not None]
  if not known or not samples:
    nan = float('nan')
    return {'coverage_recall': nan, 'coverage_precision': nan}
  if not found:
    return {'coverage_recall': 0.0, 'coverage_precision': 0.0}
  compositions = np.array([row.composition for row in known])
  mean = np.nanmean(compositions, axis=0)
  deviation = np.nanstd(compositions, axis=0)
  deviation[deviation == 0] = 1.0

  def scaled(rows):
    values = np.array([row.composition for row in rows])
    return np.nan_to_num((values - mean) / deviation)

  structure = cdist(
    np.array([row.structure for row in found]),
    np.array([row.structure for row in known]),
  )
  composition = cdist(scaled(found), scaled(known))
  near = {
    axis: (structure.min(axis=axis) <= cut_offs.structure)
    & (composition.min(axis=axis) <= cut_offs.composition)
    for axis in (0, 1)
  }
  return {
    'coverage_recall': float(near[0].mean()),
    'coverage_precision': float(near[1].sum() / len(samples)),
  }
