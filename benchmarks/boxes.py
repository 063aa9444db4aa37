"""Reconstructions by codecs of a box: atoms in the box, decoded crystals.

  python -m benchmarks.boxes --weights=./runs/box30 \
      --data=../shared/data/mp_le20_val.npz --crystals=500

`--weights` is a codec of a box: a shipped name, a folder (with a separator in
it) or the workdir of a run. Crystals with at most `--max_atoms` atoms are
encoded and decoded. Tables:

- atoms in the box: distances from each true atom to the nearest decoded atom,
  and from each decoded atom to the nearest true atom; the share of crystals
  with the right number of atoms, and of atoms with the right species. The last
  row has the figures of arXiv:1909.00949 for its own crystals at 60³;
- crystals: match and strict match of all crystals, and by longest lattice
  vector;
- distances and counts of the networks' atoms, by the number of atoms in the
  box.

The first two tables have a row for each kind of decoded crystals: those of the
networks alone, those of the codec with and without refinement, and the
ablations of `evaluation.reconstruction` (one sample of the latent; the true
lattice; true lattice and species; everything true, the oracle).

Crystals that the representation refuses are counted, and are in no row.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks import compact_crystals
from benchmarks.crystals_report import table
from crystal_jax.codec import batching
from crystal_jax.codec.codec import Codec, open_codec
from crystal_jax.codec.model import Model
from crystal_jax.evaluation import coded_scores, matching, views
from crystal_jax.evaluation.predict import full_batches
from crystal_jax.evaluation.reconstruction import (
  Reconstruction,
  reconstruct_unrefined,
)
from crystal_jax.structure.crystal import Crystal

# Number of crystals that the networks decode together.
_BATCH_SIZE = 16
# Median and 90 % quantile of the distance to the nearest atom in the paper, Å.
_PAPER_DISTANCES = 0.095, 0.26

# Largest number of atoms in the box in each bin of `sizes_table`.
_BIN_LIMITS = 28, 40, 55, 70, 100, 1000
# Seed of the posterior samples.
_SAMPLE_SEED = 1

# Kinds of decoded crystals, and their titles.
TITLES = {
  'networks': 'networks alone',
  'unrefined': 'codec without refinement',
  'codec': 'codec',
  'sampled': 'one sample: networks alone',
  'codec_sampled': 'one sample: codec',
  'true_lattice': 'networks with the true lattice',
  'true_species': 'decoded occupancy, all else true',
  'oracle': 'everything true (oracle)',
}


def main():
  args = _arguments()
  codec = open_codec(args.weights)
  ids, true, _ = compact_crystals.read(args.data)
  order = np.random.default_rng(args.seed).permutation(len(true))
  small = [i for i in order if len(true[i].numbers) <= args.max_atoms]
  chosen = small[: args.crystals]
  ids, true = [ids[i] for i in chosen], [true[i] for i in chosen]
  model, columns, refused = prepare(codec, ids, true)
  rows = with_codec_crystals(
    codec, reconstruct_unrefined(model, codec.params, batches(columns))
  )
  print(f'{args.weights}: {codec.size} numbers, {len(true)} crystals of')
  print(f'{args.data.name}, {len(refused)} of them refused')
  print(f'KL {np.mean([row.kl for row in rows]):.0f} nats\n')
  view = views.make_view(codec.model.representation)
  compared = matching.compare_columns(
    {
      name: ([row.true for row in rows], [row.crystals[name] for row in rows])
      for name in TITLES
    }
  )
  metrics = {
    name: coded_scores.summarize(rows, name, compared[name], view)
    for name in TITLES
  }
  print(atoms_table(metrics), crystals_table(metrics), sep='\n\n')
  print('\n', sizes_table(rows, view), sep='\n')


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', required=True)
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=500)
  parser.add_argument('--max_atoms', type=int, default=20)
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


def prepare(
  codec: Codec, ids: Sequence[str], true: Sequence[Crystal]
) -> tuple[Model, dict[str, np.ndarray], list[tuple[str, str]]]:
  """Prepares crystals for the networks of a codec.

  Args:
    codec: The codec.
    ids: Ids of the crystals.
    true: The crystals.

  Returns:
    The model with shapes for these crystals, the columns of the accepted
    crystals, and (id, reason) of the refused ones.
  """
  slots = max(len(crystal.numbers) for crystal in true)
  arrays = batching.arrays_of(true, slots) | {'id': np.array(ids)}
  representation = codec.model.representation
  columns, refused = representation.prepare(arrays)
  model = dataclasses.replace(
    codec.model, representation=representation.sized(columns)
  )
  return model, columns, refused


def batches(
  columns: Mapping[str, np.ndarray],
) -> Iterator[tuple[list[str], dict[str, np.ndarray]]]:
  """Yields ids and full batches of all prepared crystals."""
  return full_batches(columns, np.arange(len(columns['id'])), _BATCH_SIZE)


def with_codec_crystals(
  codec: Codec, rows: Sequence[Reconstruction]
) -> list[Reconstruction]:
  """The rows with 'codec', 'unrefined' and 'codec_sampled' crystals added."""
  # The latent of a crystal that the codec refuses (an unknown element) is NaN.
  # It decodes to no crystal and counts as a miss.
  mean, std = codec.encode([row.true for row in rows], std=True, skip=True)
  noise = np.random.default_rng(_SAMPLE_SEED).standard_normal(mean.shape)
  sampled = mean + std * noise.astype(np.float32)
  view = views.make_view(codec.model.representation)
  rows = list(rows)
  for name, z, refine in (
    ('codec', mean, 'auto'),
    ('unrefined', mean, 'none'),
    ('codec_sampled', sampled, 'auto'),
  ):
    decoded = codec.decode(z, refine=refine)
    failures = codec.failures
    for i, crystal in enumerate(decoded):
      rows[i] = rows[i].with_crystal(name, crystal or failures[i], view)
  return rows


def atoms_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
  """Distances to the nearest atom, counts and species, beside the paper's."""
  head = [
    'atoms in the box', 'true to nearest decoded: median', '90 %',
    'decoded to nearest true: median', '90 %', 'count right', 'species right',
  ]  # fmt: skip
  distances = (
    'nearest_median',
    'nearest_p90',
    'decoded_nearest_median',
    'decoded_nearest_p90',
  )
  lines = [
    [
      TITLES[name],
      *(f'{row[distance]:.3f} Å' for distance in distances),
      f'{row["count_exact"]:.1%}',
      f'{row["species_accuracy"]:.1%}',
    ]
    for name, row in metrics.items()
    if name != 'true_lattice'  # Its atoms are those of the networks.
  ]
  paper = [f'{x} Å' for x in _PAPER_DISTANCES]
  lines.append(['the paper, 60³, 300 numbers', *paper, *paper, '-', '-'])
  return table(head, lines)


def crystals_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
  """Matches of all crystals, and by longest lattice vector."""
  # The numbers of true crystals are the same in each row.
  any_row = next(iter(metrics.values()))
  head = ['crystals', f'match of {any_row["crystals"]:.0f}', 'strict']
  columns = ['match', 'strict']
  for name, number in any_row.items():
    if name.startswith('crystals_'):
      limit = name.removeprefix('crystals_')
      head += [f'match of {number:.0f} up to {float(limit)} Å', 'strict']
      columns += [f'match_{limit}', f'strict_{limit}']
  lines = [
    [TITLES[name], *(f'{row.get(c, float("nan")):.1%}' for c in columns)]
    for name, row in metrics.items()
  ]
  return table(head, lines)


def sizes_table(rows: Sequence[Reconstruction], view: views.View) -> str:
  """Distances and counts of the networks' atoms, by atoms in the box."""
  compared = [view.compare(row.true, row.atoms['networks']) for row in rows]
  counts = np.array([len(c.true_distances) for c in compared])
  lines, low = [], 0
  for high in _BIN_LIMITS:
    group = [
      c for c, n in zip(compared, counts, strict=True) if low < n <= high
    ]
    if group:
      distances = np.concatenate([c.true_distances for c in group])
      lines.append(
        [
          f'{low + 1} to {high}',
          f'{len(group)}',
          f'{np.median(distances):.3f} Å',
          f'{np.quantile(distances, 0.9):.3f} Å',
          f'{np.mean([c.count_exact for c in group]):.1%}',
        ]
      )
    low = high
  head = 'atoms in the box, crystals, nearest: median, 90 %, count right'
  return table(head.split(', '), lines)


if __name__ == '__main__':
  main()
