"""Sample scores as a Markdown table and as cells of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping

_RMSE = '(V/N)^(1/3)'
# What a metric is, and its unit; '%' for a share.
_LABELS = {
  'crystals': ('crystals', ''),
  'valid_structure': ('valid structure', '%'),
  'valid_composition': ('valid composition (SMACT)', '%'),
  'valid': ('valid (both)', '%'),
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
  if unit == '%':
    return f'{value:.1%}'
  return f'{value:.0f}' if not unit and value.is_integer() else f'{value:.4g}'


def rows(
  metrics: Mapping[str, float], heldout: Mapping[str, float]
) -> list[tuple[str, str, str, str]]:
  """Metric, unit, value of the samples, value of the held-out crystals."""
  return [
    (
      label(name)[0],
      label(name)[1].replace('%', ''),
      format_value(name, value),
      format_value(name, heldout.get(name, float('nan'))),
    )
    for name, value in metrics.items()
  ]


def markdown(
  metrics: Mapping[str, float],
  heldout: Mapping[str, float],
  left_out: Mapping[str, str],
) -> str:
  """All metrics as a Markdown table, and what was left out."""
  lines = [('metric', 'unit', 'samples', 'held out'), ('---',) * 4]
  lines += rows(metrics, heldout)
  lines += [
    (name, '', f'left out: {why}', '') for name, why in left_out.items()
  ]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
