"""What a prepared folder holds and what it lacks, in numbers and in words."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.codec import coverage
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import elements

BOX_LENGTH, BOX_SIGMA = 10.0, 0.5  # Å, of the box that is reported on.

# How close two crystals' fingerprints are that look alike.
_ALIKE = 1e-3

# Reasons that mean the same, whatever atoms and numbers they name.
_KINDS = (
  'partial occupancy', 'unknown species', 'no atoms', 'no cell', 'zero volume',
  'span no volume', 'apart, less than', 'not finite', 'no numbers',
  'not positive', 'more than max_atoms', 'symmetry operation', 'is taken by',
  'took more than', 'the parser crashed', 'the file is empty', 'is beyond',
  'cannot be opened', 'no structure', 'cannot be read', 'periodic along',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Summary:
  """What was read, and what was not.

  Attributes:
    splits: Crystals of each split.
    skipped: Crystals that were skipped, by the kind of reason.
    other_files: Files that never claimed to hold crystals.
    atoms: Least, median and most atoms of a crystal.
    elements: Crystals with each element.
    duplicates: Crystals that look like an earlier one.
    fitting: Crystals of which one cell fits a 10 Å box at every rotation.
    covered: Crystals that each shipped codec takes; see `coverage`.
    notes: What else a user should know.
    key: Of the input and the options.
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
    """How many were read."""
    return sum(self.splits.values())

  @property
  def num_skipped(self) -> int:
    """How many were not, of those that claimed to be crystals."""
    return sum(self.skipped.values())

  def __str__(self) -> str:
    lines = [f'read     {self.crystals} crystals']
    lines += [f'         {name}: {n}' for name, n in self.splits.items()]
    lines.append(f'skipped  {self.num_skipped} (see skipped.csv)')
    lines += [f'         {reason}: {n}' for reason, n in self.skipped.items()]
    if self.other_files:
      lines.append(f'besides  {self.other_files} files that hold no crystals')
    least, median, most = self.atoms
    common = sorted(self.elements, key=self.elements.get, reverse=True)
    lines += [
      f'atoms    {least} to {most}, median {median}',
      f'elements {len(common)}: {" ".join(common[:20])}'
      f'{" .." if len(common) > 20 else ""}',
      f'twins    {self.duplicates} look like an earlier one',
      f'box      {self.fitting} fit {BOX_LENGTH:g} Å as a single cell',
      *self._codecs(),
      *(f'note     {note}' for note in self.notes),
    ]
    return '\n'.join(lines)

  def _codecs(self) -> list[str]:
    if not self.covered:
      return []
    return [
      f'codecs   {coverage.CHECKED}:',
      *(f'         {name}: {n}' for name, n in self.covered.items()),
    ]

  def save(self, path: pathlib.Path) -> None:
    """Writes it as JSON."""
    partial = path.with_suffix('.part')
    text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
    partial.write_text(text, encoding='utf-8')
    os.replace(partial, path)

  @classmethod
  def load(cls, path: pathlib.Path) -> Summary:
    """Reads what `save` wrote."""
    fields = json.loads(path.read_text(encoding='utf-8'))
    fields['atoms'], fields['notes'] = (
      tuple(fields[name]) for name in ('atoms', 'notes')
    )
    return cls(**fields)


def kinds_of_reasons(skipped: Iterable[Skip]) -> dict[str, int]:
  """How often each kind of reason is given, the most frequent first."""
  counts = collections.Counter(_kind(s.reason) for s in skipped if not s.other)
  return dict(counts.most_common())


def twins(
  formulas: ArrayLike, fingerprints: ArrayLike
) -> list[tuple[int, int]]:
  """Crystals that look like an earlier one: formula, cell and fingerprint.

  Args:
    formulas: [M], the formulas or numbers that tell them apart.
    fingerprints: [M, K].

  Returns:
    (crystal, the earlier one), in order.
  """
  _, formulas = np.unique(np.asarray(formulas), return_inverse=True)
  fingerprints = np.asarray(fingerprints)
  order = np.lexsort((fingerprints[:, 0], formulas))
  sizes = np.bincount(formulas)
  ends, found = np.cumsum(sizes), []
  for which in np.flatnonzero(sizes > 1):
    group = order[ends[which] - sizes[which] : ends[which]]
    values = fingerprints[group]
    for place in range(1, len(group)):
      # Only those of nearly the same volume can be alike.
      first = np.searchsorted(values[:, 0], values[place, 0] * (1 - _ALIKE))
      near = values[first:place]
      alike = np.abs(near - values[place]) <= _ALIKE * np.abs(values[place])
      same = np.flatnonzero(alike.all(axis=1))
      if len(same):
        pair = int(group[place]), int(group[first + same[0]])
        found.append((max(pair), min(pair)))
  return sorted(found)


def elements_of(formula: str) -> list[str]:
  """Symbols of the elements in a formula."""
  return re.findall(r'[A-Z][a-z]?', formula)


def by_number(counts: Mapping[str, int]) -> dict[str, int]:
  """The same counts, elements in the order of their atomic numbers."""
  return dict(sorted(counts.items(), key=lambda item: elements.number(item[0])))


def _kind(reason: str) -> str:
  for kind in _KINDS:
    if kind in reason:
      return {'apart, less than': 'atoms too close'}.get(kind, kind)
  return reason.split(':')[0][:60]
