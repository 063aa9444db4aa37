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
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.evaluation.matching import to_host
from crystal_jax.evaluation.samples import coordination
from crystal_jax.evaluation.samples.digest import digest
from crystal_jax.io import atomic
from crystal_jax.io.reading.pool import Failure, isolated_map
from crystal_jax.structure import elements
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal

# Å within which two sites are equivalent.
_SAME = 1e-3
# Rows whose distances to all others are held at a time.
_CHUNK = 1024


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
  crystals: Sequence[Crystal],
  *,
  workers: int | None = None,
  cache: pathlib.Path | None = None,
) -> list[Fingerprint | None]:
  """Fingerprints; None where they cannot be computed. About 0.03 s a crystal.

  Args:
    crystals: Crystals.
    workers: Processes; see `isolated_map`.
    cache: Folder of fingerprints of such lists of crystals; None: none.
  """
  hosts = [to_host(crystal) for crystal in crystals]
  path = None
  if cache is not None:
    path = cache / f'fingerprints_{digest(hosts)}.npz'
    if path.exists():
      return _read(path)
  results = isolated_map(
    fingerprint,
    hosts,
    workers=workers,
    time_limit=120.0,
    batch=4,
    progress='fingerprints',
  )
  found = [None if isinstance(r, Failure) else r for r in results]
  if path is not None:
    _write(path, found)
  return found


def fingerprint(crystal: Crystal) -> Fingerprint:
  """The fingerprint of one host crystal; equivalent sites are taken once."""
  index, weights = np.unique(_equivalent(crystal), return_counts=True)
  rows = coordination.fingerprint(crystal, index)
  return Fingerprint(
    np.average(rows, axis=0, weights=weights),
    np.array(_magpie(unit_of(crystal.numbers))),
  )


def _equivalent(crystal: Crystal) -> Int[np.ndarray, 'N']:
  """For each atom, the first atom that is equivalent by symmetry."""
  import spglib

  cell = np.asarray(crystal.cell)
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(cell)
  atoms: Any = (cell, fractional, np.asarray(crystal.numbers))
  try:
    found = spglib.get_symmetry_dataset(atoms, symprec=_SAME)
  except spglib.SpglibError:
    found = None
  if found is None:
    return np.arange(len(fractional))
  return np.asarray(found.equivalent_atoms)


def _read(path: pathlib.Path) -> list[Fingerprint | None]:
  with np.load(path, allow_pickle=False) as file:
    rows = zip(file['found'], file['structure'], file['composition'],
               strict=True)  # fmt: skip
    return [
      Fingerprint(structure, composition) if found else None
      for found, structure, composition in rows
    ]


def _write(path: pathlib.Path, rows: Sequence[Fingerprint | None]) -> None:
  known = next((row for row in rows if row is not None), None)
  if known is None:
    return
  empty = Fingerprint(0 * known.structure, 0 * known.composition)
  filled = [empty if row is None else row for row in rows]
  path.parent.mkdir(parents=True, exist_ok=True)
  with atomic.replacing(path) as partial, open(partial, 'wb') as file:
    np.savez(
      file,
      found=np.array([row is not None for row in rows]),
      structure=np.array([row.structure for row in filled]),
      composition=np.array([row.composition for row in filled]),
    )


@functools.lru_cache(maxsize=100_000)
def _magpie(unit: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
  """Magpie's statistics of a formula unit."""
  from pymatgen.core import Composition

  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    counts = {elements.symbol(number): count for number, count in unit}
    return tuple(_element_property().featurize(Composition(counts)))


@functools.cache
def _element_property():
  from matminer.featurizers.composition.composite import ElementProperty

  return ElementProperty.from_preset('magpie')


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

  structure = _nearest(
    np.array([row.structure for row in found]),
    np.array([row.structure for row in known]),
  )
  composition = _nearest(scaled(found), scaled(known))
  near = [
    (structure[axis] <= cut_offs.structure)
    & (composition[axis] <= cut_offs.composition)
    for axis in (0, 1)
  ]
  return {
    'coverage_recall': float(near[0].mean()),
    'coverage_precision': float(near[1].sum() / len(samples)),
  }


def _nearest(
  first: Float[np.ndarray, 'M D'], second: Float[np.ndarray, 'N D']
) -> tuple[Float[np.ndarray, 'N'], Float[np.ndarray, 'M']]:
  """Distance of each row of the second, and of the first, to the other."""
  from scipy.spatial.distance import cdist

  to_first, to_second = np.full(len(second), np.inf), []
  for start in range(0, len(first), _CHUNK):
    distances = cdist(first[start : start + _CHUNK], second)
    to_first = np.minimum(to_first, distances.min(axis=0))
    to_second.append(distances.min(axis=1))
  return to_first, np.concatenate(to_second)
