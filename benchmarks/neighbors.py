"""Ten nearest crystals by latent, by AMD and by composition.

  python -m benchmarks.neighbors --weights=mp_20 \
    --data=../shared/data/mp_20_part_val.npz --crystals=3000 --queries=300

Of random crystals the first are queries; the ten nearest of all others are
found by `codec.nearest`, by AMD (average minimum distances of 100 neighbours,
Chebyshev distance; the package `average-minimum-distance`), by AMD among those
of nearest composition (both ranks added), by element fractions (L1), and at
random. The table has the share of the ten that have

- the query's prototype: its space group, and elements that occupy sites of the
  same multiplicities (which elements does not matter);
- its space group, and its crystal system;
- its family: formulas that differ only by elements of the same column of the
  periodic table;
- one element or more in common;

the share of queries that have a crystal of their prototype (of their family)
among the ten, of those that have one at all; and the mean absolute error, if
the mean formation energy of the ten is taken for the query's, eV/atom.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
import spglib

from benchmarks.compact_crystals import read_random
from crystal_jax.codec.codec import Codec
from crystal_jax.properties.composition import element_fractions
from crystal_jax.structure.composition import formula, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.crystal_systems import crystal_system

NEAREST = 10
# Neighbours of each atom in AMD.
AMD_NEIGHBORS = 100
# Å within which atoms are equivalent.
_SYMPREC = 0.01


def main() -> None:
  args = _arguments()
  crystals, scalars = read_random(args.data, args.crystals, args.seed)
  energies = scalars['formation_energy_per_atom']
  codec = Codec.load(args.weights)
  z = codec.encode(crystals, skip=True)
  kept = np.flatnonzero(np.isfinite(z).all(axis=1))
  crystals = [crystals[i] for i in kept]
  z, energies = z[kept], energies[kept]
  labels = [label(crystal) for crystal in crystals]
  queries = min(args.queries, len(crystals))
  # The first neighbour of a crystal that is among them is itself.
  indices, _ = codec.nearest(z[:queries], z, k=NEAREST + 1)
  fractions = element_fractions([c.numbers for c in crystals])
  by_composition = distances(fractions, queries, 'cityblock')
  ranked = {'latent': _without_self(indices)}
  amds = average_minimum_distances(crystals)
  if amds is not None:
    by_amd = distances(amds, queries, 'chebyshev')
    ranked['AMD'] = _smallest(by_amd)
    ranked['AMD and composition'] = _smallest(
      _ranks(by_amd) + _ranks(by_composition)
    )
  ranked['composition'] = _smallest(by_composition)
  rng = np.random.default_rng(args.seed)
  ranked['at random'] = rng.integers(queries, len(crystals), (queries, NEAREST))
  print(f'{len(crystals)} crystals of {args.data.name}, {queries} queries\n')
  print(table(ranked, labels, fractions > 0, energies))
  for query in range(args.show):
    print()
    for method in 'latent', 'AMD', 'composition':
      if method in ranked:
        names = [_name(crystals[i], labels[i]) for i in ranked[method][query]]
        print(f'{_name(crystals[query], labels[query])} by {method}:', *names)


def _arguments():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=3000)
  parser.add_argument('--queries', type=int, default=300)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--show', type=int, default=0, help='queries to print')
  return parser.parse_args()


def label(crystal: Crystal) -> dict[str, object]:
  """Prototype, space group, crystal system and family."""
  cell = np.asarray(crystal.cell)
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(cell)
  numbers = np.asarray(crystal.numbers)
  found = spglib.get_symmetry_dataset((cell, fractional, numbers), _SYMPREC)
  orbits: dict[int, list[int]] = {}
  # Orbits of the conventional cell, so that centring does not matter.
  scale = len(found.std_types) / len(numbers)
  index, count = np.unique(found.crystallographic_orbits, return_counts=True)
  for first, size in zip(index, count, strict=True):
    orbits.setdefault(int(numbers[first]), []).append(round(scale * size))
  sites = tuple(sorted(tuple(sorted(sizes)) for sizes in orbits.values()))
  family = sorted((_column(z), n) for z, n in unit_of(numbers))
  return {
    'prototype': (found.number, sites),
    'space group': found.number,
    'crystal system': crystal_system(found.number),
    'family': tuple(family),
  }


def _name(crystal: Crystal, known: dict[str, object]) -> str:
  """Formula and space group."""
  return f'{formula(unit_of(crystal.numbers))}({known["space group"]})'


def _column(number: int) -> int:
  """Column of the periodic table; lanthanoids and actinoids have the third."""
  if 57 <= number <= 71 or 89 <= number <= 103:
    return 3
  noble = np.array([2, 10, 18, 36, 54, 86])
  start = int(np.searchsorted(noble, number))
  place = number - (int(noble[start - 1]) if start else 0)
  length = [2, 8, 8, 18, 18, 32][min(start, 5)]
  if place <= 2:
    return 18 if number == 2 else place
  return 18 - (length - place)


def average_minimum_distances(crystals):
  """AMD of each crystal, [M, 100]; None if the package is not installed."""
  try:
    import amd
  except ImportError:
    print('AMD is left out: `pip install average-minimum-distance numba`.')
    return None
  rows = []
  for crystal in crystals:
    periodic = amd.PeriodicSet(
      motif=np.asarray(crystal.positions), cell=np.asarray(crystal.cell)
    )
    rows.append(amd.AMD(periodic, AMD_NEIGHBORS))
  return np.array(rows)


def distances(features, queries: int, metric: str):
  """Distances of queries to all crystals; infinite to themselves."""
  from scipy.spatial.distance import cdist

  found = cdist(features[:queries], features, metric)
  found[np.arange(queries), np.arange(queries)] = np.inf
  return found


def _ranks(values):
  ranks = values.argsort(axis=1, kind='stable').argsort(axis=1).astype(float)
  ranks[np.isinf(values)] = np.inf
  return ranks


def _smallest(values):
  return values.argsort(axis=1, kind='stable')[:, :NEAREST]


def _without_self(indices):
  """Neighbours other than the query itself, which has the row's number."""
  return np.array(
    [
      [i for i in row if i != query][:NEAREST]
      for query, row in enumerate(indices.tolist())
    ]
  )


def table(ranked, labels, has_element, energies) -> str:
  """A Markdown table, one row for each method."""
  names = 'prototype', 'space group', 'crystal system', 'family'
  keys = {
    name: np.unique([str(each[name]) for each in labels], return_inverse=True)[
      1
    ]
    for name in names
  }
  head = ['ten nearest by', *(f'same {name}' for name in names),
          'an element in common', 'prototype found', 'family found',
          'energy, MAE']  # fmt: skip
  lines = [head, ['---'] * len(head)]
  for method, rows in ranked.items():
    queries = np.arange(len(rows))
    same = {name: key[rows] == key[queries, None] for name, key in keys.items()}
    common = (has_element[rows] & has_element[queries, None]).any(axis=2)
    shares = [same[name].mean() for name in names] + [common.mean()]
    for name in 'prototype', 'family':
      counts = np.bincount(keys[name])
      possible = counts[keys[name][queries]] > 1
      shares.append(same[name].any(axis=1)[possible].mean())
    error = np.abs(energies[rows].mean(axis=1) - energies[queries])
    lines.append(
      [
        method,
        *(f'{share:.1%}' for share in shares),
        f'{np.nanmean(error):.3f}',
      ]
    )
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


if __name__ == '__main__':
  main()
