"""Probabilities of symbols in chains of contexts: back-off and mixtures.

A symbol is counted in a chain of contexts, from general to specific. Its
probability in a context is the counted share, mixed with its probability in the
context before; the more kinds of symbols a context has, the lower the weight of
the counted share (Witten and Bell). Before the first context all symbols are
equally likely.
"""

from __future__ import annotations

import collections
from collections.abc import Hashable, Sequence

import numpy as np


class Frequencies:
  """Counts of symbols 0..size-1 in chains of contexts."""

  def __init__(self):
    self._counts = collections.defaultdict(collections.Counter)

  def add(self, symbol: Hashable, contexts: Sequence[Hashable]) -> None:
    """Counts a symbol in every context of a chain."""
    for context in contexts:
      self._counts[context][symbol] += 1

  def shares(self, size: int, contexts: Sequence[Hashable]) -> np.ndarray:
    """Probabilities of the symbols 0..size-1 at the end of a chain, [size].

    Counted symbols outside this range are left out, and the rest is scaled up.
    """
    shares = np.full(size, 1 / size)
    for context in contexts:
      counted = self._counts.get(context)
      if not counted:
        break
      counts = np.zeros(size)
      for symbol, count in counted.items():
        if 0 <= symbol < size:
          counts[symbol] = count
      kinds = max(1, np.count_nonzero(counts))
      shares = (counts + kinds * shares) / (counts.sum() + kinds)
    return shares

  def share(self, symbol, size: int, contexts: Sequence[Hashable]) -> float:
    """Probability of one symbol of `size`, which need not be a number."""
    share = 1 / size
    for context in contexts:
      counted = self._counts.get(context)
      if not counted:
        break
      kinds = len(counted)
      share = (counted[symbol] + kinds * share) / (counted.total() + kinds)
    return share


class Mixture:
  """Weights of several predictions of a symbol, by context, fitted by EM."""

  def __init__(self, number: int):
    self._counts = collections.defaultdict(lambda: np.ones(number))

  def weights(self, context: Hashable) -> np.ndarray:
    """Weights of the predictions, which sum to one."""
    counts = self._counts.get(context)
    if counts is None:
      counts = self._counts.default_factory()
    return counts / counts.sum()

  def refit(self, seen: Sequence[tuple[Hashable, np.ndarray]]) -> None:
    """One step of EM.

    Args:
      seen: Contexts, and the probability of the symbol by each prediction.
    """
    sums = collections.defaultdict(lambda: np.ones(len(seen[0][1])))
    for context, shares in seen:
      weighted = self.weights(context) * shares
      sums[context] = sums[context] + weighted / weighted.sum()
    self._counts = collections.defaultdict(
      lambda: np.ones(len(seen[0][1])), sums
    )
