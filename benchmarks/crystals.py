"""Reconstructions of crystals by a codec, scored as in publications.

  python -m benchmarks.crystals --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --crystals=1000

`--weights` is a shipped name, a folder (with a separator in it) or the workdir
of a run. It prints

- matches from the mean (`mean`) and from one sample of the posterior
  (`sample`), with KL in nats; with every crystal refined (`all`), with none
  refined (`unrefined`), and with none refined nor symmetrized (`networks`);
  from crystals that were shifted, put into another basis and shuffled
  (`moved`); from supercells of two cells (`supercell`);
- the reasons of the misses, and matches by atoms, elements and longest vector;
- distances between latents of one crystal, and of different crystals;
- if the file has energies and one element only (Carbon-24), the same without
  near-duplicates: crystals with the same number of atoms, a volume within
  0.2 % and an energy within 1 meV/atom of another one's; and METRe, the share
  of true crystals that match any of the decoded ones (arXiv:2509.12178).

Every crystal counts; one that is refused or does not decode is a miss.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from benchmarks import compact_crystals, near_duplicates
from benchmarks import crystals_report as report
from crystal_jax.codec.codec import Codec, open_codec
from crystal_jax.evaluation import matching
from crystal_jax.representation import frame
from crystal_jax.structure.crystal import Crystal

# Options of `Codec.decode` beside the default ones, by row.
DECODE_OPTIONS: dict[str, dict[str, Any]] = {
  'all': {'refine': 'all'},
  'unrefined': {'refine': 'none'},
  'networks': {'refine': 'none', 'symmetrize': 0.0},
}


def main():
  args = _arguments()
  codec = open_codec(args.weights)
  ids, true, energies = compact_crystals.read(args.data, args.ids)
  is_duplicate = find_near_duplicates(true, energies)
  order = np.random.default_rng(args.seed).permutation(len(true))
  order = order[: args.crystals]
  ids, true = [ids[i] for i in order], [true[i] for i in order]
  found, latents, kl = reconstruct(codec, true, args)
  scores = matching.compare_columns(
    {name: (true, decoded) for name, decoded in found.items()}, gate=True
  )
  print(f'{args.weights}: {codec.size} numbers, {len(true)} crystals of')
  print(f'{args.data.name}, KL {np.nanmean(kl):.0f} nats (lattice included)\n')
  print(report.match_table(scores), '\n', report.miss_table(scores), sep='\n')
  print('\n', report.size_table(true, scores['mean']), sep='\n')
  if len(latents) > 1:
    print('\n', report.distance_table(latents), sep='\n')
  if is_duplicate is not None:
    distinct = np.flatnonzero(~is_duplicate[order])
    print(f'\nWithout near-duplicates ({len(distinct)} crystals):\n')
    print(
      report.match_table(
        {name: [row[i] for i in distinct] for name, row in scores.items()}
      )
    )
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
    '--ids', type=pathlib.Path, help='file of ids, one a line: only these'
  )
  parser.add_argument(
    '--rows', default='mean,sample,all,unrefined,networks,moved,supercell'
  )
  return parser.parse_args()


def reconstruct(
  codec: Codec, true: Sequence[Crystal], args: argparse.Namespace
) -> tuple[
  dict[str, list[Crystal | str]],
  dict[str, Float[np.ndarray, 'B D']],
  Float[np.ndarray, 'B'],
]:
  """Decoded crystals by row, the latents by row, and KL in nats.

  Args:
    codec: The codec.
    true: The crystals.
    args: `rows` names the rows; `seed` is that of noise and of moves.

  Returns:
    A crystal, or the reason why there is none, for each true crystal.
  """
  rng = np.random.default_rng(args.seed + 1)
  rows = args.rows.split(',')
  written = {
    'mean': lambda: true,
    'moved': lambda: [moved(crystal, rng) for crystal in true],
    'supercell': lambda: [doubled(crystal) for crystal in true],
  }
  found, latents = {}, {}
  for row in [row for row in written if row in rows or row == 'mean']:
    z, std = codec.encode(written[row](), skip=True, std=True)
    refused = {i: f'refused: {why}' for i, why in codec.failures.items()}
    latents[row] = z
    found[row] = _decode(codec, z, refused)
    if row != 'mean':
      continue
    sources = {'mean': z}
    if 'sample' in rows:
      noise = rng.standard_normal(z.shape).astype(np.float32)
      sources['sample'] = z + std * noise
      found['sample'] = _decode(codec, sources['sample'], refused)
    for name, options in DECODE_OPTIONS.items():
      for source, latent in sources.items():
        # Refining all crystals shows how much the mean holds.
        if name in rows and (source == 'mean' or name != 'all'):
          found[f'{source}, {name}'] = _decode(codec, latent, refused, options)
  return found, latents, codec.kl(true)


def _decode(
  codec: Codec,
  z: Float[np.ndarray, 'B D'],
  refused: Mapping[int, str],
  options: Mapping[str, Any] | None = None,
) -> list[Crystal | str]:
  crystals = codec.decode(z, **(options or {}))
  failures = codec.failures
  return [
    crystal or refused.get(i) or failures[i]
    for i, crystal in enumerate(crystals)
  ]


def moved(crystal: Crystal, rng: np.random.Generator) -> Crystal:
  """The same crystal with a random origin, basis and order of atoms.

  The basis keeps its handedness.
  """
  inverse = np.linalg.inv(crystal.cell)
  fractional, cell = frame.random_frame(
    rng, crystal.positions @ inverse, crystal.cell
  )
  order = rng.permutation(len(crystal.numbers))
  return Crystal(crystal.numbers[order], fractional[order] @ cell, cell)


def doubled(crystal: Crystal) -> Crystal:
  """The same crystal in a cell twice as long along its first vector."""
  return Crystal(
    np.tile(crystal.numbers, 2),
    np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]]),
    crystal.cell * np.array([[2.0], [1.0], [1.0]]),
  )


def find_near_duplicates(
  crystals: Sequence[Crystal], energies: Float[np.ndarray, 'M']
) -> Bool[np.ndarray, 'M'] | None:
  """Whether each crystal has a near-duplicate; see `near_duplicates`.

  None where energies are missing or the crystals are of several elements.
  """
  elements = {z for crystal in crystals for z in crystal.numbers.tolist()}
  if np.isnan(energies).any() or len(elements) > 1:
    return None
  counts = np.array([len(crystal.numbers) for crystal in crystals])
  volumes = np.array([abs(np.linalg.det(c.cell)) for c in crystals])
  return near_duplicates.has_near_duplicate(counts, volumes, energies)


def metre(
  true: Sequence[Crystal],
  found: Sequence[Crystal | str | None],
  scores: Sequence[matching.Comparison],
) -> float:
  """Share of the true crystals that match any decoded one.

  Only the missed ones have to be compared with the others, and only with those
  of the same formula: no others match.
  """
  missed = [i for i, score in enumerate(scores) if not score.match]
  formulas = [_formula(crystal) for crystal in found]
  pairs = [
    (i, j)
    for i in missed
    for j, formula in enumerate(formulas)
    if formula == _formula(true[i])
  ]
  compared = matching.compare(
    [true[i] for i, _ in pairs], [found[j] for _, j in pairs]
  )
  found_elsewhere = {
    i for (i, _), c in zip(pairs, compared, strict=True) if c.match
  }
  return 1 - (len(missed) - len(found_elsewhere)) / len(true)


def _formula(crystal):
  """Elements and reduced counts; None without a crystal."""
  if not isinstance(crystal, Crystal):
    return None
  elements, counts = np.unique(crystal.numbers, return_counts=True)
  counts = counts // np.gcd.reduce(counts)
  return tuple(elements.tolist()), tuple(counts.tolist())


if __name__ == '__main__':
  main()
