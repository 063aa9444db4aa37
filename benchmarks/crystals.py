"""Whole crystals through the latent of a codec, scored as published ones are.

  python -m benchmarks.crystals --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --crystals=1000

`--weights` takes a shipped name, a folder (with a separator in it) or the
workdir of a run. It prints

- matches from the mean and from one sample of the posterior, with KL in nats;
  from crystals that were shifted, put into another basis and shuffled; from
  supercells of two; and the first two with none of the crystals looked for
  (`quick`), and with atoms left where the networks have them as well (`plain`),
  the first one with all looked for (`all`);
- what the misses are, and where: by atoms, elements and longest vector;
- how far the latents of one crystal are apart, against those of different ones;
- where there are energies of one element alone (Carbon-24), the same without
  twins: crystals with as many atoms, a volume within 0.2 % and an energy within
  1 meV/atom of another one's; and METRe, the share of true crystals that any
  of the decoded ones matches (arXiv:2509.12178).

Every crystal counts; one that is refused or does not come back is a miss.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from benchmarks import crystals_report as report
from crystal_jax.codec.codec import open_codec
from crystal_jax.evaluation import matching
from crystal_jax.io.reading import compact
from crystal_jax.representation import frame
from crystal_jax.structure.crystal import Crystal

# Ways to decode beside the default.
KINDS = {
  'all': {'refine': 'all'},
  'quick': {'refine': 'none'},
  'plain': {'refine': 'none', 'symmetrize': 0.0},
}


def main():
  args = _arguments()
  codec = open_codec(args.weights)
  ids, true, energies = read(args.data, args.ids)
  twins = find_twins(true, energies)
  order = np.random.default_rng(args.seed).permutation(len(true))
  order = order[: args.crystals]
  ids, true = [ids[i] for i in order], [true[i] for i in order]
  found, latents, nats = pass_through(codec, true, args)
  scores = matching.compare_columns(
    {name: (true, each) for name, each in found.items()}, gate=True
  )
  print(f'{args.weights}: {codec.size} numbers, {len(true)} crystals of')
  print(
    f'{args.data.name}, KL {np.nanmean(nats):.0f} nats (lattice included)\n'
  )
  print(report.matches(scores), '\n', report.misses(scores), sep='\n')
  print('\n', report.places(true, scores['mean']), sep='\n')
  if len(latents) > 1:
    print('\n', report.distances(latents), sep='\n')
  if twins is not None:
    alone = np.flatnonzero(~twins[order])
    print(f'\nWithout twins ({len(alone)} crystals):\n')
    rest = {name: [each[i] for i in alone] for name, each in scores.items()}
    print(report.matches(rest))
    share = metre(true, found['mean'], scores['mean'])
    print(f'\nMETRe, from the mean: {share:.1%}')
  missed = [
    f'{name} ({c.reason})'
    for name, c in zip(ids, scores['mean'], strict=True)
    if not c.match
  ]
  print(f'\nMissed: {", ".join(missed[:40])}')


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', required=True)
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=1000)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--ids', type=pathlib.Path, help='file of ids, a line each: only these'
  )
  parser.add_argument(
    '--rows', default='mean,sample,all,quick,plain,moved,supercell'
  )
  return parser.parse_args()


def read(path, only=None):
  """Ids, crystals and energies (eV/atom, NaN where there is none) of a file."""
  columns = compact.read_file(path)
  wanted = only and set(only.read_text().split())
  energies = columns.get('energy_per_atom')
  if energies is None:
    energies = np.full(len(columns['ids']), np.nan)
  ids, crystals, kept = [], [], []
  for i, name in enumerate(columns['ids'].tolist()):
    if wanted and name not in wanted:
      continue
    atoms = slice(*columns['offsets'][i : i + 2])
    cell = columns['cell'][i].astype(np.float64)
    positions = columns['frac'][atoms].astype(np.float64) @ cell
    numbers = columns['numbers'][atoms].astype(np.int32)
    ids.append(name)
    crystals.append(Crystal(numbers, positions, cell))
    kept.append(energies[i])
  return ids, crystals, np.array(kept)


def pass_through(codec, true, args):
  """What comes back in each way, the latents it came from, and KL in nats.

  Returns:
    {way: crystals, or the reasons why there is none}, {way: [B, D]}, [B].
  """
  rng = np.random.default_rng(args.seed + 1)
  rows = args.rows.split(',')
  ways = {
    'mean': lambda: true,
    'moved': lambda: [moved(crystal, rng) for crystal in true],
    'supercell': lambda: [doubled(crystal) for crystal in true],
  }
  found, latents = {}, {}
  for way in [way for way in ways if way in rows or way == 'mean']:
    z, std = codec.encode(ways[way](), skip=True, std=True)
    refused = {i: f'refused: {why}' for i, why in codec.failures.items()}
    latents[way] = z
    found[way] = _decode(codec, z, refused)
    if way != 'mean':
      continue
    sampled = {'mean': z}
    if 'sample' in rows:
      noise = rng.standard_normal(z.shape).astype(np.float32)
      sampled['sample'] = z + std * noise
      found['sample'] = _decode(codec, sampled['sample'], refused)
    for kind in [kind for kind in KINDS if kind in rows]:
      for of, latent in sampled.items():
        if of == 'mean' or kind != 'all':  # It is for what a mean holds.
          found[f'{of}, {kind}'] = _decode(
            codec, latent, refused, **KINDS[kind]
          )
  return found, latents, codec.kl(true)


def _decode(codec, z, refused, **options):
  crystals = codec.decode(z, **options)
  return [
    crystal or refused.get(i) or codec.failures[i]
    for i, crystal in enumerate(crystals)
  ]


def moved(crystal, rng):
  """The same crystal: random origin, basis, handed alike, order of atoms."""
  inverse = np.linalg.inv(crystal.cell)
  fractional, cell = frame.random_frame(
    rng, crystal.positions @ inverse, crystal.cell
  )
  order = rng.permutation(len(crystal.numbers))
  return Crystal(crystal.numbers[order], fractional[order] @ cell, cell)


def doubled(crystal):
  """The same crystal in a cell twice as long along its first vector."""
  return Crystal(
    np.tile(crystal.numbers, 2),
    np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]]),
    crystal.cell * np.array([[2.0], [1.0], [1.0]]),
  )


def find_twins(crystals, energies):
  """Which crystals have a twin, [B]; None where that cannot be asked."""
  if (
    np.isnan(energies).any()
    or len(
      set(np.concatenate([crystal.numbers for crystal in crystals]).tolist())
    )
    > 1
  ):
    return None
  atoms = np.array([len(crystal.numbers) for crystal in crystals])
  volumes = np.array([abs(np.linalg.det(c.cell)) for c in crystals])
  alike = atoms[:, None] == atoms
  alike &= np.abs(volumes[:, None] / volumes - 1) < 2e-3
  alike &= np.abs(energies[:, None] - energies) < 1e-3
  return alike.sum(axis=1) > 1


def metre(true, found, scores):
  """Share of the true crystals that any decoded one matches.

  Only the missed ones have to be looked for among the others, and only where
  the formula is the same: all else cannot match.
  """
  missed = [i for i, score in enumerate(scores) if not score.match]
  formulas = [_formula(crystal) for crystal in found]
  pairs = [
    (i, j)
    for i in missed
    for j, formula in enumerate(formulas)
    if formula == _formula(true[i])
  ]
  again = matching.compare(
    [true[i] for i, _ in pairs], [found[j] for _, j in pairs]
  )
  more = {i for (i, _), c in zip(pairs, again, strict=True) if c.match}
  return 1 - (len(missed) - len(more)) / len(true)


def _formula(crystal):
  """Elements and their shares; None without a crystal."""
  if not isinstance(crystal, Crystal):
    return None
  elements, counts = np.unique(crystal.numbers, return_counts=True)
  counts = counts // np.gcd.reduce(counts)
  return tuple(elements.tolist()), tuple(counts.tolist())


if __name__ == '__main__':
  main()
