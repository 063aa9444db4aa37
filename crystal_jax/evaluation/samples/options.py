"""Options of an evaluation of samples."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from crystal_jax.evaluation import validity
from crystal_jax.evaluation.samples import coverage as coverage_lib
from crystal_jax.stability.scores import Stability


@dataclasses.dataclass(frozen=True)
class Options:
  """Options of an evaluation of samples.

  Attributes:
    k: Candidates per composition.
    composition: Whether to evaluate the validity of compositions.
    coverage: Whether to evaluate coverage.
    workers: Processes.
    stability: How stability is evaluated; None: it is not.
    cache: Folder of results of the data set; None: none is kept.
    left_out: Metrics that are not evaluated, with the reason.
  """

  k: int
  composition: bool
  coverage: bool
  workers: int | None
  stability: Stability | None
  cache: pathlib.Path | None
  left_out: Mapping[str, str]


def make_options(
  k: int,
  coverage: bool | None,
  workers: int | None,
  stability: Stability | None = None,
  cache: pathlib.Path | None = None,
) -> Options:
  """Options, with the metrics whose packages are installed.

  Raises:
    ValueError: If k is not positive, or coverage is asked for and `matminer` is
      not installed.
  """
  if k < 1:
    raise ValueError(f'Need a positive {k=}.')
  install = "`pip install 'crystal_jax[eval]'` installs it"
  left_out = {}
  if not validity.has_smact():
    left_out['validity of compositions'] = f'smact is missing; {install}'
  if coverage is None and not coverage_lib.has_matminer():
    left_out['coverage'] = f'matminer is missing; {install}'
  elif coverage is False:
    left_out['coverage'] = 'not asked for'
  elif not coverage_lib.has_matminer():
    raise ValueError(f'coverage needs matminer; {install}.')
  return Options(
    k=k,
    composition=validity.has_smact(),
    coverage='coverage' not in left_out,
    workers=workers,
    stability=stability,
    cache=cache,
    left_out=left_out,
  )
