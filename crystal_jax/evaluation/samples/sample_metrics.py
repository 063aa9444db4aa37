"""Shares of valid, unique and novel samples, of all and by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Upper limits of the size bins, atoms of the cell.
SIZES = 4, 8, 12, 20


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Number of rows, and shares that are valid, unique and novel."""
  metrics = {'crystals': float(len(rows))} | _shares(rows)
  return metrics | _by_size(rows)


def _by_size(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Number and share of unique and novel crystals, by atoms of the cell."""
  metrics = {}
  low = 0
  for high in (*SIZES, None):
    group = [
      row
      for row in rows
      if low < row['atoms'] and (high is None or row['atoms'] <= high)
    ]
    if group:
      name = f'above_{low}' if high is None else f'{low + 1}_to_{high}'
      metrics[f'crystals_{name}_atoms'] = float(len(group))
      metrics[f'unique_and_novel_{name}_atoms'] = _share(
        row['unique'] and row['novel'] for row in group
      )
    low = low if high is None else high
  return metrics


def _shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Shares of rows that are valid, unique, novel, and several of these."""
  metrics = {'valid_structure': _share(row['valid_structure'] for row in rows)}
  if any(row['valid_composition'] is not None for row in rows):
    metrics['valid_composition'] = _share(
      row['valid_composition'] for row in rows
    )
    metrics['valid'] = _share(is_valid(row) for row in rows)
  metrics['unique'] = _share(row['unique'] for row in rows)
  metrics['novel'] = _share(row['novel'] for row in rows)
  metrics['unique_and_novel'] = _share(
    row['unique'] and row['novel'] for row in rows
  )
  metrics['valid_unique_and_novel'] = _share(
    is_valid(row) and row['unique'] and row['novel'] for row in rows
  )
  return metrics


def _share(flags) -> float:
  return float(np.mean([bool(flag) for flag in flags]))


def is_valid(row: Mapping[str, Any]) -> bool:
  """Whether a sample is valid; without SMACT, its structure decides."""
  return row['valid_structure'] and row['valid_composition'] is not False
