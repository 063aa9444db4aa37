"""Ten nearest crystals by latent, by AMD and by composition.

  python -m benchmarks.neighbors --weights=mp_20 \
    --data=../shared/data/mp_20_part_val.npz --crystals=3000 --queries=300

The first of the random crystals are queries. Five methods choose ten of all
other crystals for each query:

- latent: the nearest by `codec.nearest`;
- AMD: the nearest by average minimum distances of 100 neighbours (Chebyshev
  distance; the package `average-minimum-distance`);
- composition: the nearest by element fractions (L1 distance);
- AMD and composition: the smallest sums of both ranks;
- at random.

The table has the share of the ten that have

- the query's prototype: its space group, and elements that occupy sites of the
  same multiplicities (which elements does not matter);
- its space group, and its crystal system;
- its family: formulas that differ only by elements of the same column of the
  periodic table;
- at least one element in common with the query.

Columns "found": of the queries that share their prototype (family) with any
other crystal, the share for which one of the ten has it. Energy: mean absolute
error if the formation energy of a query is predicted by the mean of the ten,
eV/atom.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
import spglib

from benchmarks.compact_crystals import read_random
from benchmarks.crystals_report import table
from crystal_jax.codec.codec import Codec
from crystal_jax.properties.composition import element_fractions
from crystal_jax.structure.composition import formula, unit_of
from crystal_jax.structure.crystal import Crystal
from crystal_jax.structure.crystal_systems import crystal_system

# Crystals that each method chooses for a query.
NEAREST = 10
# Neighbours of each atom in AMD.
AMD_NEIGHBORS = 100
# Distance within which spglib takes atoms for equivalent, Å.
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
  labels = [classify(crystal) for crystal in crystals]
  queries = min(args.queries, len(crystals))
  # The nearest crystal of a query is itself.
  indices, _ = codec.nearest(z[:queries], z, k=NEAREST + 1)
  fractions = element_fractions([c.numbers for c in crystals])
  by_composition = distances(fractions, queries, 'cityblock')
  chosen = {'latent': _without_self(indices)}
  amds = average_minimum_distances(crystals)
  if amds is not None:
    by_amd = distances(amds, queries, 'chebyshev')
    chosen['AMD'] = _smallest(by_amd)
    chosen['AMD and composition'] = _smallest(
      _ranks(by_amd) + _ranks(by_composition)
    )
  chosen['composition'] = _smallest(by_composition)
  rng = np.random.default_rng(args.seed)
  chosen['at random'] = rng.integers(queries, len(crystals), (queries, NEAREST))
  print(f'{len(crystals)} crystals of {args.data.name}, {queries} queries\n')
  print(results_table(chosen, labels, fractions > 0, energies))
  for query in range(args.show):
    print()
    for method in 'latent', 'AMD', 'composition':
      if method in chosen:
        names = [_name(crystals[i], labels[i]) for i in chosen[method][query]]
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


def classify(crystal: Crystal) -> dict[str, object]:
  """Prototype, space group, crystal system and family of a crystal, by name."""
  cell = np.asarray(crystal.cell)
  fractional = np.asarray(crystal.positions) @ np.linalg.inv(cell)
  numbers = np.asarray(crystal.numbers)
  symmetry = spglib.get_symmetry_dataset((cell, fractional, numbers), _SYMPREC)
  orbits: dict[int, list[int]] = {}
  # Orbits of the conventional cell, so that centring does not matter.
  scale = len(symmetry.std_types) / len(numbers)
  first_atoms, sizes = np.unique(
    symmetry.crystallographic_orbits, return_counts=True
  )
  for first, size in zip(first_atoms, sizes, strict=True):
    orbits.setdefault(int(numbers[first]), []).append(round(scale * size))
  multiplicities = tuple(
    sorted(tuple(sorted(of_element)) for of_element in orbits.values())
  )
  family = sorted((_column(z), n) for z, n in unit_of(numbers))
  return {
    'prototype': (symmetry.number, multiplicities),
    'space group': symmetry.number,
    'crystal system': crystal_system(symmetry.number),
    'family': tuple(family),
  }


def _name(crystal: Crystal, label: dict[str, object]) -> str:
  """Formula and space group."""
  return f'{formula(unit_of(crystal.numbers))}({label["space group"]})'


def _column(number: int) -> int:
  """Column of the periodic table; 3 for lanthanoids and actinoids."""
  if 57 <= number <= 71 or 89 <= number <= 103:
    return 3
  noble_gases = np.array([2, 10, 18, 36, 54, 86])
  period = int(np.searchsorted(noble_gases, number))  # From 0.
  in_period = number - (int(noble_gases[period - 1]) if period else 0)
  length = [2, 8, 8, 18, 18, 32][min(period, 5)]
  if in_period <= 2:
    return 18 if number == 2 else in_period
  return 18 - (length - in_period)


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
  """Distances of queries to all crystals; infinite to the query itself.

  Args:
    features: Features of each crystal; the first crystals are the queries.
    queries: Number of queries.
    metric: Name of the metric, as of `cdist`.
  """
  from scipy.spatial.distance import cdist

  to_all = cdist(features[:queries], features, metric)
  np.fill_diagonal(to_all, np.inf)
  return to_all


def _ranks(values):
  """Rank of each crystal for each query; infinite where values are."""
  ranks = values.argsort(axis=1, kind='stable').argsort(axis=1).astype(float)
  ranks[np.isinf(values)] = np.inf
  return ranks


def _smallest(values):
  """Indices of the crystals with the smallest values, for each query."""
  return values.argsort(axis=1, kind='stable')[:, :NEAREST]


def _without_self(indices):
  """Neighbours other than the query itself, whose index is that of the row."""
  return np.array(
    [
      [i for i in row if i != query][:NEAREST]
      for query, row in enumerate(indices.tolist())
    ]
  )


def results_table(chosen, labels, has_element, energies) -> str:
  """A Markdown table, one row for each method.

  Args:
    chosen: Indices of the crystals that each method chooses for each query.
    labels: Labels of each crystal; see `classify`.
    has_element: Whether each crystal has each element.
    energies: Formation energies, eV/atom.
  """
  names = 'prototype', 'space group', 'crystal system', 'family'
  codes = {name: _codes([label[name] for label in labels]) for name in names}
  head = ['ten nearest by', *(f'same {name}' for name in names),
          'an element in common', 'prototype found', 'family found',
          'energy, MAE']  # fmt: skip
  rows = []
  for method, indices in chosen.items():
    queries = np.arange(len(indices))
    same = {
      name: code[indices] == code[queries, None] for name, code in codes.items()
    }
    common = (has_element[indices] & has_element[queries, None]).any(axis=2)
    shares = [same[name].mean() for name in names] + [common.mean()]
    for name in 'prototype', 'family':
      counts = np.bincount(codes[name])
      has_other = counts[codes[name][queries]] > 1
      shares.append(same[name].any(axis=1)[has_other].mean())
    error = np.abs(energies[indices].mean(axis=1) - energies[queries])
    cells = [f'{share:.1%}' for share in shares]
    rows.append([method, *cells, f'{np.nanmean(error):.3f}'])
  return table(head, rows)


def _codes(labels):
  """A whole number for each label; equal labels have equal numbers."""
  return np.unique([str(label) for label in labels], return_inverse=True)[1]


if __name__ == '__main__':
  main()
