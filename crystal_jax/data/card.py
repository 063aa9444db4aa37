"""Data card: an HTML page of statistics of a data set."""

from __future__ import annotations

import collections
import csv
import html
import os
import pathlib
import warnings
from collections.abc import Mapping

import ase
import ase.neighborlist
import numpy as np

from crystal_jax.codec import coverage
from crystal_jax.data import charts
from crystal_jax.data.arrays import Arrays, records
from crystal_jax.data.features import RESERVED
from crystal_jax.data.summary import kinds_of_reasons
from crystal_jax.io import atomic
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import elements, lattice

_CUTOFF = 4.0  # Å; larger nearest-neighbour distances count as this.
_SYMPREC = 0.01  # Å; tolerance of space groups.

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px system-ui, sans-serif; margin: 2em; max-width: 1200px }}
figure {{ display: inline-block; vertical-align: top; margin: 1em 1.5em 1em 0 }}
figcaption {{ font-weight: 600 }}
svg text {{ font-size: 11px }}
td {{ padding: 1px 12px 1px 0; vertical-align: top }}
.n {{ text-align: right }}
small {{ color: #555 }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


def write(
  path: str | os.PathLike[str],
  title: str,
  splits: Mapping[str, Arrays],
  *,
  skipped: list[Skip] | None = None,
  covered: Mapping[str, int] | None = None,
  sample: int = 500,
) -> None:
  """Writes the page.

  Args:
    path: The HTML file.
    title: Name of the data set.
    splits: Crystals by split.
    skipped: Skipped files and rows; None if unknown.
    covered: Number of crystals that each shipped codec can encode; None if
      unknown.
    sample: Number of crystals, evenly spaced, whose space groups and distances
      are computed.

  Raises:
    ValueError: If there are no crystals.
  """
  splits = {name: part for name, part in splits.items() if len(part['numbers'])}
  if not splits:
    raise ValueError(f'{title} has no crystals to describe.')
  parts = [_counts(splits)]
  if covered:
    counts = ', '.join(f'{name} {n}' for name, n in covered.items())
    sentence = f'Codecs ({coverage.LABEL}): {counts}.'
    parts.append(f'<p>{html.escape(sentence)}</p>')
  numbers = [n for part in splits.values() for n in part['numbers']]
  cells = np.concatenate([part['cell'] for part in splits.values()])
  parts += [_elements(numbers), *_lattices(numbers, cells)]
  parts += _sampled_figures(splits, sample)
  parts += _properties(splits)
  if skipped is not None:
    parts.append(_skipped_table(skipped))
  page = _PAGE.format(title=html.escape(title), body='\n'.join(parts))
  with atomic.replacing(path) as partial:
    partial.write_text(page, encoding='utf-8')


def read_skipped(path: pathlib.Path) -> list[Skip]:
  """Skips listed in skipped.csv of a prepared folder."""
  with path.open(newline='', encoding='utf-8') as file:
    return [
      Skip(row['file'], row['id'], row['reason'])
      for row in csv.DictReader(file)
    ]


def _counts(splits) -> str:
  total = sum(len(part['numbers']) for part in splits.values())
  shares = ', '.join(
    f'{html.escape(name)} {len(part["numbers"])}'
    for name, part in splits.items()
  )
  atoms = sum(int((part['numbers'] > 0).sum()) for part in splits.values())
  return f'<p>{total} crystals ({shares}) with {atoms} atoms.</p>'


def _elements(numbers) -> str:
  counts = collections.Counter(
    elements.symbol(z) for n in numbers for z in np.unique(n[n > 0]).tolist()
  )
  return charts.periodic_table(counts, 'Crystals with each element')


def _lattices(numbers, cells) -> list[str]:
  atoms = np.array([(n > 0).sum() for n in numbers])
  lengths, angles = map(np.asarray, lattice.lengths_and_angles(cells))
  volumes = np.abs(np.linalg.det(cells.astype(float)))
  return [
    charts.histogram(atoms, 'Atoms of a cell'),
    charts.histogram(lengths.ravel(), 'Lattice lengths', 'Å'),
    charts.histogram(angles.ravel(), 'Lattice angles', '°'),
    charts.histogram(volumes / atoms, 'Volume per atom', 'Å³'),
  ]


def _sampled_figures(splits, sample) -> list[str]:
  """Space groups and nearest-neighbour distances of a sample."""
  total = sum(len(part['numbers']) for part in splits.values())
  groups: collections.Counter[str] = collections.Counter()
  nearest, sampled = [], 0
  for part in splits.values():
    count = len(part['numbers'])
    share = min(count, max(1, round(sample * count / total)))
    for row in records(part, np.arange(share) * count // share):
      atoms = ase.Atoms(
        row['numbers'], row['positions'], cell=row['cell'], pbc=True
      )
      groups[_space_group(atoms)] += 1
      nearest.append(_nearest(atoms))
      sampled += 1
  of = f' (of {sampled})' if sampled < total else ''
  return [
    charts.histogram(
      np.concatenate(nearest), f"Atoms' nearest distances{of}", 'Å'
    ),
    charts.ranking(groups, f'Space groups{of}, within {_SYMPREC} Å'),
  ]


def _space_group(atoms: ase.Atoms) -> str:
  import spglib

  cell = atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
  with warnings.catch_warnings():  # Deprecated error handling of spglib.
    warnings.simplefilter('ignore', DeprecationWarning)
    return spglib.get_spacegroup(cell, symprec=_SYMPREC) or 'not found'


def _nearest(atoms: ase.Atoms) -> np.ndarray:
  """Distance of each atom's nearest neighbour, at most `_CUTOFF`, Å."""
  i, d = ase.neighborlist.neighbor_list('id', atoms, _CUTOFF)
  nearest = np.full(len(atoms), _CUTOFF)
  np.minimum.at(nearest, i, d)
  return nearest


def _properties(splits) -> list[str]:
  names = dict.fromkeys(
    name
    for part in splits.values()
    for name, column in part.items()
    if name not in RESERVED and column.ndim == 1 and column.dtype.kind in 'fiu'
  )
  return [
    charts.histogram(
      np.concatenate([p[name] for p in splits.values() if name in p]), name
    )
    for name in names
  ]


def _skipped_table(skipped) -> str:
  kinds = kinds_of_reasons(skipped)
  first = ''.join(
    '<tr>' + ''.join(f'<td>{html.escape(v)}</td>' for v in row) + '</tr>'
    for row in ((s.file, s.id, s.reason) for s in skipped[:50])
  )
  more = f'and {len(skipped) - 50} more' if len(skipped) > 50 else ''
  return (
    f'<h2>Skipped: {len(skipped)}</h2>'
    f'{charts.ranking(kinds, "Reasons")}<table>{first}</table>'
    f'<small>{more}</small>'
  )
