"""Frequencies with back-off, and what a symbol costs under them, in nats.

A symbol is counted in a chain of contexts, from the general to the special. Its
probability in each is the counted share, mixed with that of the context before:
the more kinds of symbols a context has shown, the less it is trusted (Witten
and Bell). Before the first, all symbols are equally likely.
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

    Symbols outside have none: counted ones are left out, the rest scaled up.
    """
    shares = np.full(size, 1 / size)
    for context in contexts:
      counted = self._counts.get(context)
      if not counted:
        break
      here = np.zeros(size)
      for symbol, count in counted.items():
        if 0 <= symbol < size:
          here[symbol] = count
      kinds = max(1, np.count_nonzero(here))
      shares = (here + kinds * shares) / (here.sum() + kinds)
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
  """Weights of several predictions of one symbol, by context, fitted by EM."""

  def __init__(self, number: int):
    self._given = collections.defaultdict(lambda: np.ones(number))

  def weights(self, context: Hashable) -> np.ndarray:
    """Of each prediction, summing to one."""
    given = self._given.get(context)
    if given is None:
      given = self._given.default_factory()
    return given / given.sum()

  def refit(self, seen: Sequence[tuple[Hashable, np.ndarray]]) -> None:
    """One step of EM.

    Args:
      seen: A context, and what each prediction gave the symbol that came.
    """
    sums = collections.defaultdict(lambda: np.ones(len(seen[0][1])))
    for context, shares in seen:
      part = self.weights(context) * shares
      sums[context] = sums[context] + part / part.sum()
    self._given = collections.defaultdict(
      lambda: np.ones(len(seen[0][1])), sums
    )
