"""Errors of properties predicted from latents, beside those of compositions.

  python -m benchmarks.properties --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --crystals=3000

Crystals are sampled at random and cut in halves that share no formula. Linear
probes (ridge, the penalty by leave-one-out) and gradient boosting are fitted on
one half and evaluated on the other, and vice versa; errors are of all crystals.
So are those of the codec's own heads, which were trained on other crystals. The
crystal system follows from `spacegroup_number`, by a ridge regression of its
seven shares.

Do not tune on the figures of mp_20_part_val: tune on another set, such as
mp_le20_val with energies added by `data.add_scalars`.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from benchmarks.compact_crystals import read_random
from crystal_jax.codec.codec import open_codec
from crystal_jax.models.property_heads import PropertyHeads
from crystal_jax.properties import composition, fitting, pooling
from crystal_jax.properties.ridge import fit_ridge
from crystal_jax.structure.crystal_systems import CRYSTAL_SYSTEMS


def main():
  args = _arguments()
  crystals, columns = read_random(args.data, args.crystals, args.seed)
  values = columns[args.column]
  codec = open_codec(args.weights)
  z, std = codec.encode(crystals, skip=True, std=True)
  kept = np.isfinite(z).all(1) & np.isfinite(values)
  z, values = z[kept], np.asarray(values, np.float64)[kept]
  numbers = [crystals[i].numbers for i in np.flatnonzero(kept).tolist()]
  systems = crystal_systems(columns['spacegroup_number'][kept])
  masks = composition.group_folds(composition.formula_groups(numbers), 2)
  fractions = composition.element_fractions(numbers)
  nats = 0.5 * (z**2 + std[kept] ** 2 - 1 - 2 * np.log(std[kept])).sum(1)
  print(
    f'{args.weights}: {codec.size} numbers, {nats.mean():.0f} nats; '
    f'{len(z)} crystals of {args.data.name}, {args.column}, standard deviation '
    f'{values.std():.3f}\n'
  )
  features = {
    'latent': z,
    'element fractions': fractions,
    'latent and fractions': np.concatenate([z, fractions], 1),
  }
  vae = getattr(codec.model.networks, 'vae', None)
  tokens = 0 if getattr(vae, 'vector', 0) else getattr(vae, 'tokens', 0)
  if tokens:
    features['latent, pooled over tokens'] = pooling.pool_tokens(z, tokens)
  print('| read from | numbers | R² | MAE | crystal system |')
  print('|---|---|---|---|---|')
  for name, x in features.items():
    found = fitting.score(values, fitting.held_out(x, values, masks, _ridge))
    right = system_accuracy(x, systems, masks)
    row(f'{name}, ridge', x.shape[1], found, right)
  for name in ('element fractions', 'latent, pooled over tokens'):
    if name in features:
      x = features[name]
      read_ = fitting.held_out(x, values, masks, _boosting)
      row(f'{name}, boosting', x.shape[1], fitting.score(values, read_), None)
  table = codec.predict(z) if codec.describe()['properties'] else {}
  if args.column in table:
    right = (table['crystal_system'] == systems).mean()
    found = fitting.score(values, table[args.column])
    row("`predict`: the codec's own heads", codec.size, found, right)
  sizes = np.array([len(each) for each in numbers], float)
  volumes = np.array(
    [abs(np.linalg.det(crystals[i].cell)) for i in np.flatnonzero(kept)]
  )
  for name, true in (
    ('num_atoms', sizes),
    ('volume_per_atom', volumes / sizes),
  ):
    if name in table:
      found = fitting.score(true, table[name])
      row(f'`predict`: {name}', codec.size, found, None)


def crystal_systems(groups: np.ndarray) -> np.ndarray:
  """Index of the crystal system of each space group."""
  heads = PropertyHeads(('crystal_system',))
  batch = {'spacegroup_number': groups, 'numbers': np.ones((len(groups), 1))}
  return np.asarray(heads.targets({}, batch)['crystal_system']).argmax(1)


def system_accuracy(x, systems, masks) -> float:
  """Share of crystal systems that a linear probe of the other half gets."""
  shares = np.eye(len(CRYSTAL_SYSTEMS))[systems]
  right = np.zeros(len(x), bool)
  for mask in masks:
    found = fit_ridge(x[~mask], shares[~mask])(x[mask])
    right[mask] = found.argmax(1) == systems[mask]
  return float(right.mean())


def row(name, size, score, right) -> None:
  """A row of the table."""
  system = '' if right is None else f'{right:.1%}'
  print(f'| {name} | {size} | {score.r2:.3f} | {score.mae:.3f} | {system} |')


def _ridge(x, values):
  fitted = fit_ridge(x, values[:, None])
  return lambda x: fitted(x)[:, 0]


def _boosting(x, values):
  from sklearn.ensemble import HistGradientBoostingRegressor

  return HistGradientBoostingRegressor(random_state=0).fit(x, values).predict


def _arguments():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=3000)
  parser.add_argument('--column', default='formation_energy_per_atom')
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


if __name__ == '__main__':
  main()
