"""Probabilities of compositions, by the networks of a prior; on the host.

A composition is sampled step by step: the number of atoms of the cell, then
each element in the order of `networks.element_order`, with its number of atoms.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PyTree

from crystal_jax.density.precision import full_precision
from crystal_jax.generation.conditions import Conditions, take
from crystal_jax.generation.networks import element_order
from crystal_jax.generation.prior import PriorNetworks

# Number of rows that are evaluated together.
_ROWS = 64


@dataclasses.dataclass(frozen=True)
class CompositionModel:
  """Logits and probabilities of compositions.

  Attributes:
    networks: The networks.
    params: Their parameters.
    temperature: Divides the logits of an element's number of atoms; below 1,
      ratios are more often those that charges allow.
  """

  networks: PriorNetworks
  params: PyTree
  temperature: float = 1.0

  @property
  def max_atoms(self) -> int:
    """Maximum number of atoms of a cell."""
    return self.networks.max_atoms

  def logits(
    self,
    before: Int[np.ndarray, 'B E'],
    total: Int[np.ndarray, 'B'],
    element: Int[np.ndarray, 'B'],
    given: Conditions,
  ) -> tuple[
    Float[np.ndarray, 'B N'], Float[np.ndarray, 'B E'], Float[np.ndarray, 'B N']
  ]:
    """Logits of (total atoms, next element, atoms of that element).

    Args:
      before: Atoms of each element so far, in `element_order`; any number of
        rows.
      total: Number of atoms of each cell.
      element: Index in `element_order` of the element of the last logits.
      given: The other conditions, one row.
    """
    parts = []
    for start in range(0, len(before), _ROWS):
      rows = np.arange(start, min(start + _ROWS, len(before)))
      filled = np.resize(rows, _ROWS)
      found = _logits(
        self.networks,
        self.params,
        before[filled].astype(np.float32),
        total[filled].astype(np.int32),
        element[filled].astype(np.int32),
        take(given, np.zeros(_ROWS, int)),
      )
      parts.append([np.asarray(each)[: len(rows)] for each in found])
    totals, elements, atoms = (
      np.concatenate(each) for each in zip(*parts, strict=True)
    )
    return totals, elements, atoms / self.temperature

  def log_shares(
    self, counts: Int[np.ndarray, 'B E'], given: Conditions
  ) -> Float[np.ndarray, 'B']:
    """Logarithms of the probabilities of compositions, nats.

    Args:
      counts: Atoms of each element by atomic number.
      given: The other conditions, one row.
    """
    counts = np.asarray(counts)[:, element_order() - 1]
    total = counts.sum(1)
    none = np.zeros_like(counts)
    total_logits, _, _ = self.logits(none, total, 0 * total, given)
    rows = np.arange(len(counts))
    shares = log_softmax(total_logits)[rows, total - 1].astype(np.float64)
    present = counts > 0
    order_index = np.cumsum(present, axis=1) - 1
    for step in range(int(present.sum(1).max())):
      is_next = present & (order_index == step)
      before = np.where(present & (order_index < step), counts, 0)
      element, remaining = is_next.argmax(1), total - before.sum(1)
      _, element_logits, atom_logits = self.logits(
        before, total, element, given
      )
      element_logits = np.where(after_last(before), element_logits, -np.inf)
      atoms = np.arange(1, atom_logits.shape[1] + 1)
      is_possible = atoms[None] <= remaining[:, None]
      atom_logits = np.where(is_possible, atom_logits, -np.inf)
      index = np.maximum(counts[rows, element] - 1, 0)
      # Rows that ended before have nothing open: their shares are not used.
      ended = ~is_next.any(1, keepdims=True)
      step_shares = (
        log_softmax(np.where(ended, 0, element_logits))[rows, element]
        + log_softmax(np.where(ended, 0, atom_logits))[rows, index]
      )
      shares += np.where(ended[:, 0], 0, step_shares)
    return shares


@functools.partial(jax.jit, static_argnames='networks')
def _logits(networks, params, before, total, element, given):
  with full_precision():
    return networks.composition_logits(params, before, total, element, given)


def after_last(counts: Int[np.ndarray, 'B E']) -> Bool[np.ndarray, 'B E']:
  """Whether each element comes after all elements that already occur."""
  index = np.arange(counts.shape[1])[None]
  last = np.where(counts > 0, index, -1).max(1, keepdims=True)
  return index > last


def log_softmax(logits: Float[np.ndarray, '*B C']) -> Float[np.ndarray, '*B C']:
  """Logarithms of probabilities along the last axis, float64."""
  logits = np.asarray(logits, np.float64)
  shifted = logits - logits.max(-1, keepdims=True)
  return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
