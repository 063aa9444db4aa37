"""Summary of a prepared data set: counts of crystals, skips, duplicates."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.codec import coverage
from crystal_jax.io import atomic
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import elements

BOX_LENGTH, BOX_SIGMA = 10.0, 0.5  # Å; the box of `Summary.fitting`.

# Largest relative difference of two duplicates' fingerprints.
_TOLERANCE = 1e-3

# Kinds of reasons of skips, as they occur in the reason; the first match
# counts.
_KINDS = (
  'partial occupancy', 'unknown species', 'no atoms', 'no cell', 'zero volume',
  'span no volume', 'apart, less than', 'not finite', 'no numbers',
  'not positive', 'more than max_atoms', 'symmetry operation', 'is taken by',
  'took more than', 'the process crashed', 'needs too much memory',
  'the file is empty', 'is beyond', 'cannot be opened', 'no structure',
  'cannot be read', 'periodic along',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Summary:
  """Counts of what was read and skipped.

  Attributes:
    splits: Crystals of each split.
    skipped: Skipped crystals, by the kind of reason.
    other_files: Files of formats that hold no crystals.
    atoms: Minimum, median and maximum number of atoms of a crystal.
    elements: Crystals with each element.
    duplicates: Crystals with the formula, cell and fingerprint of an earlier
      one.
    fitting: Crystals whose single cell fits a 10 Å box at every rotation.
    covered: Crystals that each shipped codec can encode; see `coverage`.
    notes: Further lines for the user.
    key: Digest of the input and the options.
  """

  splits: dict[str, int]
  skipped: dict[str, int]
  other_files: int
  atoms: tuple[int, int, int]
  elements: dict[str, int]
  duplicates: int
  fitting: int
  covered: dict[str, int] = dataclasses.field(default_factory=dict)
  notes: tuple[str, ...] = ()
  key: str = ''

  @property
  def crystals(self) -> int:
    """Number of crystals that were read."""
    return sum(self.splits.values())

  @property
  def num_skipped(self) -> int:
    """Number of crystals that were skipped."""
    return sum(self.skipped.values())

  def __str__(self) -> str:
    lines = [f'read     {self.crystals} crystals']
    lines += [f'         {name}: {n}' for name, n in self.splits.items()]
    lines.append(f'skipped  {self.num_skipped} (see skipped.csv)')
    lines += [f'         {reason}: {n}' for reason, n in self.skipped.items()]
    if self.other_files:
      lines.append(f'besides  {self.other_files} files that hold no crystals')
    fewest, median, most = self.atoms
    common = sorted(self.elements, key=self.elements.__getitem__, reverse=True)
    lines += [
      f'atoms    {fewest} to {most}, median {median}',
      f'elements {len(common)}: {" ".join(common[:20])}'
      f'{" .." if len(common) > 20 else ""}',
      f'repeated {self.duplicates} are duplicates of an earlier one',
      f'box      {self.fitting} fit {BOX_LENGTH:g} Å as a single cell',
      *self._codecs(),
      *(f'note     {note}' for note in self.notes),
    ]
    return '\n'.join(lines)

  def _codecs(self) -> list[str]:
    if not self.covered:
      return []
    return [
      f'codecs   {coverage.LABEL}:',
      *(f'         {name}: {n}' for name, n in self.covered.items()),
    ]

  def save(self, path: pathlib.Path) -> None:
    """Writes the summary as JSON."""
    text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
    with atomic.replacing(path) as partial:
      partial.write_text(text, encoding='utf-8')

  @classmethod
  def load(cls, path: pathlib.Path) -> Summary:
    """Reads a summary that `save` wrote."""
    fields = json.loads(path.read_text(encoding='utf-8'))
    fields['atoms'], fields['notes'] = (
      tuple(fields[name]) for name in ('atoms', 'notes')
    )
    return cls(**fields)


def kinds_of_reasons(skipped: Iterable[Skip]) -> dict[str, int]:
  """Number of skips by kind of reason, the most frequent first."""
  counts = collections.Counter(
    _kind(s.reason) for s in skipped if not s.is_ignorable
  )
  return dict(counts.most_common())


def find_duplicates(
  formulas: ArrayLike, fingerprints: ArrayLike
) -> list[tuple[int, int]]:
  """For each crystal at most one other of its formula and a close fingerprint.

  Args:
    formulas: [M], formulas or their hashes.
    fingerprints: [M, K].

  Returns:
    (index of a crystal, index of an earlier one), in order.
  """
  _, labels = np.unique(np.asarray(formulas), return_inverse=True)
  prints = np.asarray(fingerprints)
  order = np.lexsort((prints[:, 0], labels))
  sizes = np.bincount(labels)
  ends, pairs = np.cumsum(sizes), []
  for label in np.flatnonzero(sizes > 1):
    group = order[ends[label] - sizes[label] : ends[label]]
    values = prints[group]
    for i in range(1, len(group)):
      # Sorted by volume: only the neighbours can be duplicates.
      first = np.searchsorted(values[:, 0], values[i, 0] * (1 - _TOLERANCE))
      difference = np.abs(values[first:i] - values[i])
      equal = (difference <= _TOLERANCE * np.abs(values[i])).all(axis=1)
      if equal.any():
        pair = int(group[i]), int(group[first + equal.argmax()])
        pairs.append((max(pair), min(pair)))
  return sorted(pairs)


def elements_of(formula: str) -> list[str]:
  """Symbols of the elements of a formula."""
  return re.findall(r'[A-Z][a-z]?', formula)


def by_number(counts: Mapping[str, int]) -> dict[str, int]:
  """Counts by element, sorted by atomic number."""
  return dict(sorted(counts.items(), key=lambda item: elements.number(item[0])))


def _kind(reason: str) -> str:
  for kind in _KINDS:
    if kind in reason:
      return {'apart, less than': 'atoms too close'}.get(kind, kind)
  return reason.split(':')[0][:60]
