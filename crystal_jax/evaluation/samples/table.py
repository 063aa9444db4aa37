"""Sample scores as a Markdown table and as cells of a page."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping, Sequence

_RMSE = '(V/N)^(1/3)'
# What a metric is, and its unit; '%' for a share.
_LABELS = {
  'crystals': ('crystals', ''),
  'valid_structure': ('valid structure', '%'),
  'valid_composition': ('valid composition (SMACT)', '%'),
  'valid': ('valid (structure, composition)', '%'),
  'unique': ('unique', '%'),
  'novel': ('novel', '%'),
  'unique_and_novel': ('unique and novel', '%'),
  'valid_unique_and_novel': ('valid, unique and novel', '%'),
  'wasserstein_density': ('Wasserstein distance of density', 'g/cm³'),
  'wasserstein_elements': ('Wasserstein distance of elements', ''),
  'wasserstein_atoms': ('Wasserstein distance of atoms', ''),
  'wasserstein_volume_per_atom': ('Wasserstein distance of volume', 'Å³/atom'),
  'coverage_recall': ('coverage recall', '%'),
  'coverage_precision': ('coverage precision', '%'),
  'stability_crystals': ('crystals relaxed for stability', ''),
  'relaxed': ('relaxed until forces are small', '%'),
  'above_hull': ('median energy above the hull', 'eV/atom'),
  'stable_0': ('on or below the hull', '%'),
  'stable_0.1': ('at most 0.1 eV/atom above the hull', '%'),
  'sun_0': ('stable (0 eV/atom), unique and novel', '%'),
  'sun_0.1': ('stable (0.1 eV/atom), unique and novel (S.U.N.)', '%'),
  'compositions': ('held-out crystals with a sample of their formula', ''),
  'metre': ('METRe: held-out crystals that a sample matches', '%'),
}
_PROTOCOLS = {
  '': '',
  '_valid_sample': ', invalid samples miss (CDVAE)',
  '_valid_both': ', sample and truth valid (DiffCSP)',
}


def label(name: str) -> tuple[str, str]:
  """What a metric is, and its unit ('%' for a share)."""
  if name in _LABELS:
    return _LABELS[name]
  kind, _, rest = name.partition('_')
  if kind in ('match', 'rmse'):
    number, _, protocol = rest.partition('_')
    suffix = _PROTOCOLS[f'_{protocol}' if protocol else '']
    if kind == 'match':
      return f'match @{number}{suffix}', '%'
    return f'RMS distance of matches @{number}{suffix}', _RMSE
  text = name.replace('_', ' ')
  return text, '' if kind == 'crystals' else '%'


def format_value(name: str, value: float) -> str:
  """A value in its unit; '-' without one."""
  if math.isnan(value):
    return '-'
  _, unit = label(name)
  if unit == '%':  # A few of thousands are not none.
    return f'{value:.2%}' if 0 < value < 0.01 else f'{value:.1%}'
  return f'{value:.0f}' if not unit and value.is_integer() else f'{value:.4g}'


def rows(
  columns: Mapping[str, Mapping[str, float]],
  names: Sequence[str] | None = None,
) -> list[tuple[str, ...]]:
  """Metric, unit and the value of each column.

  Args:
    columns: Metrics by name, of each column.
    names: Metrics to show; None: all.

  Raises:
    ValueError: If a name is not a metric of any column.
  """
  # The last column, held-out crystals, has all sizes of cells, in order.
  last_first = reversed([*columns.values()])
  known = dict.fromkeys(name for column in last_first for name in column)
  names = [*known] if names is None else names
  for name in names:
    if name not in known:
      raise ValueError(f'No metric {name!r}; there are {", ".join(known)}.')
  return [
    (
      label(name)[0],
      label(name)[1].replace('%', ''),
      *(
        format_value(name, column.get(name, float('nan')))
        for column in columns.values()
      ),
    )
    for name in names
  ]


def markdown(
  columns: Mapping[str, Mapping[str, float]],
  left_out: Mapping[str, str],
  names: Sequence[str] | None = None,
) -> str:
  """Metrics as a Markdown table, and what was left out; see `rows`."""
  width = 2 + len(columns)
  lines: list[tuple[str, ...]] = [('metric', 'unit', *columns)]
  lines.append(('---',) * width)
  lines += rows(columns, names)
  lines += [
    (name, '', f'left out: {why}', *[''] * (width - 3))
    for name, why in left_out.items()
  ]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def of_folders(
  folders: Sequence[pathlib.Path], names: Sequence[str] | None = None
) -> str:
  """One table of earlier scores: a column a folder, then the held-out one.

  Args:
    folders: Folders with `scores.json`; a column has the folder's name, or its
      path if two of them have one name.
    names: Metrics to show; None: all.

  Raises:
    FileNotFoundError: If a folder holds no scores.
    ValueError: If they are of different references.
  """
  found = {}
  names_of = [folder.name for folder in folders]
  for folder in folders:
    try:
      text = (folder / 'scores.json').read_text('utf-8')
    except OSError as error:
      raise FileNotFoundError(
        f'{folder} holds no scores.json; `score --out={folder}` writes it.'
      ) from error
    is_unique = names_of.count(folder.name) == 1
    found[folder.name if is_unique else str(folder)] = json.loads(text)
  references = {each['reference'] for each in found.values()}
  if len(references) > 1:
    raise ValueError(
      f'These are scores against {", ".join(sorted(references))}; only scores '
      'against one reference compare.'
    )
  columns = {name: _numbers(each['metrics']) for name, each in found.items()}
  columns['held out'] = _numbers(next(iter(found.values()))['heldout'])
  return markdown(columns, {}, names)


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, float]:
  """Metrics of a JSON file, where None stands for NaN."""
  return {
    name: float('nan') if value is None else value
    for name, value in metrics.items()
  }
