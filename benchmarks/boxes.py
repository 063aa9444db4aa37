"""Crystals through the box of a codec: atoms in the box, crystals out of it.

  python -m benchmarks.boxes --weights=./runs/box30 \
      --data=../shared/data/mp_le20_val.npz --crystals=500

`--weights` takes a shipped name, a folder (with a separator in it) or the
workdir of a run, of a coded box. It prints, of crystals with at most
`--max_atoms` atoms, beside the paper's figures (arXiv:1909.00949, of its own
crystals at 60³):

- the distance from each true atom inside the box to the nearest decoded one and
  back, how often their number is exact, and how often the species is right;
- matches and strict matches of whole crystals, nothing but the latent known,
  of all and by longest vector; as decoded, and as `Codec.decode` gives them,
  with those in doubt looked for and without;
- where crystals are lost: the same with the true lattice, with the true species
  too, and with everything true (the oracle); and from a sample of the latent;
- the distances by the number of atoms in the box.

Crystals that the box cannot show are counted beside, not in these.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import numpy as np

from benchmarks import crystals
from benchmarks.crystals_report import table
from crystal_jax.codec.codec import open_codec
from crystal_jax.evaluation import coded_box_cases, coded_box_scores
from crystal_jax.evaluation.box_cases import FARTHEST
from crystal_jax.evaluation.comparison import compare_atoms

# Crystals that are decoded together.
_BATCH = 16
# Median and 90 % of the distance to the nearest atom, Å, as the paper has them.
_PAPER = 0.095, 0.26


def main():
  args = _arguments()
  codec = open_codec(args.weights)
  model, params = codec.model, codec.params
  ids, true, _ = crystals.read(args.data)
  order = np.random.default_rng(args.seed).permutation(len(true))
  order = [i for i in order if len(true[i].numbers) <= args.max_atoms]
  order = order[: args.crystals]
  ids, true = [ids[i] for i in order], [true[i] for i in order]
  cases, refused = decode(model, params, ids, true)
  size = np.prod(model.networks.latent_shape)
  print(f'{args.weights}: {size} numbers, {len(true)} crystals of')
  print(f'{args.data.name}, {len(refused)} of them refused')
  nats = np.mean([case.nats for case in cases])
  print(f'KL {nats:.0f} nats\n')
  cases = given(cases, codec, model)
  ways = {
    'networks': 'as decoded',
    'quick': 'symmetrized, and laid in the box',
    'crystal': 'what a codec gives, laid in the box',
    'sampled': 'from a sample, as decoded',
    'of_sample': 'from a sample, what a codec gives',
  }
  ways |= {
    'true_lattice': 'with the true lattice',
    'true_species': 'and the true species',
    'oracle': 'and the true density',
  }
  compared = coded_box_scores.compare({way: (cases, way) for way in ways})
  rows = {way: coded_box_scores.row(cases, way, compared[way]) for way in ways}
  print(atoms_table(rows, ways), crystals_table(rows, ways), sep='\n\n')
  print('\n', by_atoms(cases), sep='\n')


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', required=True)
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=500)
  parser.add_argument('--max_atoms', type=int, default=20)
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


def decode(model, params, ids, true):
  """Cases of crystals, and (id, reason) of those that the box cannot show."""
  slots = max(len(crystal.numbers) for crystal in true)
  padded = [crystal.pad(slots) for crystal in true]
  arrays = {
    name: np.stack([getattr(crystal, name) for crystal in padded])
    for name in ('numbers', 'positions', 'cell')
  }
  columns, refused = model.representation.prepare(
    {'id': np.array(ids), **arrays}
  )
  representation = model.representation.sized(columns)
  model = dataclasses.replace(model, representation=representation)
  cases = coded_box_cases.decode_cases(
    model, params, batches(columns), coded_box_cases.WAYS
  )
  return cases, refused


def given(cases, codec, model):
  """The cases with what a codec gives of their latents."""
  true = [case.true for case in cases]
  # An element that was never trained on is a miss.
  mean, std = codec.encode(true, std=True, skip=True)
  noise = np.random.default_rng(1).standard_normal(mean.shape)
  sample = mean + std * noise.astype(np.float32)
  ways = {
    'quick': (mean, 'none'),
    'crystal': (mean, 'auto'),
    'of_sample': (sample, 'auto'),
  }
  for way, (z, refine) in ways.items():
    found = codec.decode(z, refine=refine)
    cases = [
      coded_box_cases.laid_again(
        case, model, crystal or codec.failures[i], way=way
      )
      for i, (case, crystal) in enumerate(zip(cases, found, strict=True))
    ]
  return cases


def batches(columns):
  """Full batches with their ids; the last one is padded."""
  number = len(columns['id'])
  for start in range(0, number, _BATCH):
    rows = np.arange(start, min(start + _BATCH, number))
    filled = np.resize(rows, _BATCH)
    batch = {n: c[filled] for n, c in columns.items() if n != 'id'}
    batch['index'] = np.arange(_BATCH, dtype=np.int32)
    batch['sample'] = np.zeros(_BATCH, np.int32)
    batch['mask'] = np.arange(_BATCH) < len(rows)
    yield [str(name) for name in columns['id'][rows]], batch


def atoms_table(rows, ways) -> str:
  """The paper's measure."""
  head = 'atoms in the box, to the nearest decoded: median, 90 %, '
  head += 'from it: median, 90 %, count exact, species right'
  cells = [
    [
      title,
      *(
        f'{rows[way][name]:.3f} Å'
        for name in (
          'nearest_median',
          'nearest_p90',
          'decoded_nearest_median',
          'decoded_nearest_p90',
        )
      ),
      f'{rows[way]["count_exact"]:.1%}',
      f'{rows[way]["species_accuracy"]:.1%}',
    ]
    for way, title in ways.items()
    if way != 'true_lattice'
  ]
  paper = [f'{x} Å' for x in _PAPER]
  cells.append(['the paper, 60³, 300 numbers', *paper, *paper, '-', '-'])
  return table([part.strip() for part in head.split(',')], cells)


def crystals_table(rows, ways) -> str:
  """Whole crystals, all and by longest vector."""
  cells = []
  for way, title in ways.items():
    row = rows[way]
    line = [title, f'{row["match"]:.1%}', f'{row["strict"]:.1%}']
    for limit in coded_box_scores.LONGEST:
      for name in 'match', 'strict':
        value = row.get(f'{name}_{limit:g}', float('nan'))
        line.append(f'{value:.1%}')
    cells.append(line)
  row = rows['networks']
  head = ['crystals', f'match of {row["crystals"]:.0f}', 'strict']
  for limit in coded_box_scores.LONGEST:
    number = row[f'crystals_{limit:g}']
    head += [f'match of {number} up to {limit} Å', 'strict']
  return table(head, cells)


def by_atoms(cases) -> str:
  """Distances and counts by the number of atoms in the box."""
  inside = np.array([case.atoms.inside.sum() for case in cases])
  compared = [
    compare_atoms(
      case.atoms.positions,
      case.atoms.numbers,
      case.atoms.inside,
      case.decoded['networks'].positions,
      case.decoded['networks'].numbers,
      case.decoded['networks'].inside,
      FARTHEST,
    )
    for case in cases
  ]
  rows, low = [], 0
  for high in (28, 40, 55, 70, 100, 1000):
    some = [c for c, n in zip(compared, inside, strict=True) if low < n <= high]
    if some:
      apart = np.concatenate([c.true_distances for c in some])
      rows.append(
        [
          f'{low + 1} to {high}',
          f'{len(some)}',
          f'{np.median(apart):.3f} Å',
          f'{np.quantile(apart, 0.9):.3f} Å',
          f'{np.mean([c.count_exact for c in some]):.1%}',
        ]
      )
    low = high
  head = 'atoms in the box, crystals, nearest: median, 90 %, count exact'
  return table(head.split(', '), rows)


if __name__ == '__main__':
  main()
