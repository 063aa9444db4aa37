"""Labels and units of the metrics in a report."""

from __future__ import annotations

from typing import NamedTuple

from crystal_jax.evaluation.pair_matching import REASONS
from crystal_jax.evaluation.reconstruction import ABLATIONS


class Label(NamedTuple):
  """Label of a metric.

  Attributes:
    text: Description of the metric.
    unit: Unit; '%' for a share, which is printed in percent.
  """

  text: str
  unit: str


_RMSE = '(V/N)^(1/3)'
_LABELS = {
  'crystals': Label('crystals', ''),
  'match': Label('match', '%'),
  'match_low': Label('match, lower end of the 95 % interval', '%'),
  'match_high': Label('match, upper end of the 95 % interval', '%'),
  'match_gated': Label('match and valid', '%'),
  'rmse': Label('RMS distance of matches, mean', _RMSE),
  'rmse_median': Label('RMS distance of matches, median', _RMSE),
  'strict': Label('strict match', '%'),
  'formula_exact': Label('formula right', '%'),
  'count_exact': Label('number of atoms right', '%'),
  'cell_count_exact': Label('number of atoms of the primitive cell right', '%'),
  'volume_error': Label('error of the volume, median', '%'),
  'length_error': Label('error of the lengths, median', '%'),
  'angle_error': Label('error of the angles, median', '°'),
  'valid_true': Label('true crystals that are valid', '%'),
  'valid_found': Label('decoded crystals that are valid', '%'),
  'refused': Label('refused by the representation', '%'),
  'nearest_median': Label('true atom to the nearest decoded, median', 'Å'),
  'nearest_p90': Label('true atom to the nearest decoded, 90 %', 'Å'),
  'decoded_nearest_median': Label(
    'decoded atom to the nearest true, median', 'Å'
  ),
  'decoded_nearest_p90': Label('decoded atom to the nearest true, 90 %', 'Å'),
  'found_within_0.5': Label('true atoms decoded within 0.5 Å', '%'),
  'found_within_0.3': Label('true atoms decoded within 0.3 Å', '%'),
  'species_accuracy': Label('species right, of atoms within 0.5 Å', '%'),
  'species_within_one': Label('atomic number within 1, of the same', '%'),
  'atoms_right': Label('atoms within 0.5 Å with the right species', '%'),
  'species_iou': Label('species map, intersection over union', '%'),
  'species_recall': Label('labelled voxels with the right species', '%'),
  'reconstruction_mse': Label('squared error of the density', ''),
  'kl_nats': Label('KL of the latent', 'nats'),
  'lattice_units': Label(
    'largest error of the lattice numbers, median', '0.3 % or 0.3°'
  ),
  'overflow': Label('boxes with more peaks than slots', '%'),
  'lattice_found': Label('lattice found in the density', '%'),
  'head_length_error': Label('lattice head, error of a length, median', '%'),
  'head_angle_error': Label('lattice head, error of an angle, median', '°'),
} | {
  f'missed_{reason.replace(" ", "_")}': Label(f'missed: {reason}', '%')
  for reason in REASONS
}  # fmt: skip
_ABLATIONS = {
  'networks': 'networks alone',
  'sampled': 'networks alone, one sample of the latent',
  'true_lattice': 'networks with the true lattice',
  'true_species': 'decoded occupancy, all else true',
}


def label(name: str) -> Label:
  """The label of a metric; the name itself, without a unit, if it is unknown.

  Metrics of an ablation have its name as a prefix, those of short crystals the
  length as a suffix: `networks_strict_6.67`.
  """
  if name in _LABELS:
    return _LABELS[name]
  for ablation in ABLATIONS:
    rest = name.removeprefix(f'{ablation}_')
    if rest != name and ablation in _ABLATIONS:
      text, unit = label(rest)
      return Label(f'{_ABLATIONS[ablation]}: {text}', unit)
  base, _, length = name.rpartition('_')
  if base in _LABELS and length.replace('.', '', 1).isdigit():
    text, unit = _LABELS[base]
    return Label(f'{text}, lattice vectors up to {length} Å', unit)
  return Label(name, '')


def format_value(value: float, unit: str) -> str:
  """A value to four digits; shares in percent."""
  return f'{100 * value:.4g}' if unit == '%' else f'{value:.4g}'
