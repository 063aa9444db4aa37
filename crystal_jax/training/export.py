"""Model, parameters and card of a trained run, from which a codec is made."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from jaxtyping import PyTree

from crystal_jax.codec.card import make_card
from crystal_jax.codec.model import Model
from crystal_jax.training import checkpoints, provenance


def load_run(
  workdir: str | os.PathLike[str],
) -> tuple[Model, PyTree, dict[str, Any]]:
  """Model, averaged parameters and card of a run's latest checkpoint.

  The data set is not read.

  Args:
    workdir: Workdir of `experiments.main`.

  Raises:
    FileNotFoundError: If the workdir holds no checkpoint.
  """
  workdir = pathlib.Path(workdir)
  step = checkpoints.latest_step(workdir)
  config, model, params = checkpoints.load_model(workdir, step)
  record = provenance.read(workdir)
  card = make_card(
    model,
    params,
    config,
    name=workdir.absolute().name,
    steps=step,
    elements=record.get('elements'),
    data=record.get('data'),
    figures=_metrics(workdir),
  )
  return model, params, card


def _metrics(workdir: pathlib.Path) -> dict[str, Any]:
  """Metrics of a run's evaluation; empty if the run was not evaluated."""
  path = workdir / 'metrics.json'
  return json.loads(path.read_text('utf-8')) if path.is_file() else {}
