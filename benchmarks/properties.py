"""Errors of properties predicted from latents, beside those of compositions.

  python -m benchmarks.properties --weights=mp_20 \
      --data=../shared/data/mp_20_part_val.npz --crystals=3000

Random crystals are split into halves that share no formula. Linear probes
(ridge, the penalty by leave-one-out) and gradient boosting are fitted on each
half and evaluated on the other. The codec's own heads, which were trained on
other crystals, are evaluated on both halves. The crystal system is that of
`spacegroup_number`; its probe is a ridge regression of seven one-hot columns.

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
  kept = np.flatnonzero(np.isfinite(z).all(1) & np.isfinite(values)).tolist()
  crystals = [crystals[i] for i in kept]
  z, std, values = z[kept], std[kept], np.asarray(values, np.float64)[kept]
  systems = crystal_systems(columns['spacegroup_number'][kept])
  nats = 0.5 * (z**2 + std**2 - 1 - 2 * np.log(std)).sum(1)
  print(
    f'{args.weights}: {codec.size} numbers, {nats.mean():.0f} nats; '
    f'{len(z)} crystals of {args.data.name}, {args.column}, standard deviation '
    f'{values.std():.3f}\n'
  )
  print('| read from | numbers | R² | MAE | crystal system |')
  print('|---|---|---|---|---|')
  print_probes(codec, crystals, z, values, systems)
  print_heads(codec, crystals, z, {args.column: values}, systems)


def print_probes(codec, crystals, z, values, systems) -> None:
  """Prints rows of probes of latents and of element fractions.

  Args:
    codec: The codec.
    crystals: Encoded crystals.
    z: Latents of the crystals.
    values: The property of each crystal.
    systems: Index of the crystal system of each crystal.
  """
  numbers = [crystal.numbers for crystal in crystals]
  masks = composition.group_folds(composition.formula_groups(numbers), 2)
  fractions = composition.element_fractions(numbers)
  features = {
    'latent': z,
    'element fractions': fractions,
    'latent and fractions': np.concatenate([z, fractions], 1),
  }
  vae = getattr(codec.model.networks, 'vae', None)
  tokens = 0 if getattr(vae, 'vector', 0) else getattr(vae, 'tokens', 0)
  if tokens:
    features['latent, pooled over tokens'] = pooling.pool_tokens(z, tokens)
  for name, x in features.items():
    predicted = fitting.held_out(x, values, masks, _fit_ridge)
    accuracy = system_accuracy(x, systems, masks)
    print_row(
      f'{name}, ridge', x.shape[1], fitting.score(values, predicted), accuracy
    )
  for name in ('element fractions', 'latent, pooled over tokens'):
    if name in features:
      x = features[name]
      predicted = fitting.held_out(x, values, masks, _fit_boosting)
      print_row(
        f'{name}, boosting', x.shape[1], fitting.score(values, predicted), None
      )


def print_heads(codec, crystals, z, columns, systems) -> None:
  """Prints rows of the codec's own heads, if it has any.

  Args:
    codec: The codec.
    crystals: Encoded crystals.
    z: Latents of the crystals.
    columns: Scalars of the data set, by name.
    systems: Index of the crystal system of each crystal.
  """
  table = codec.predict(z) if codec.describe()['properties'] else {}
  for name, values in columns.items():
    if name in table:
      accuracy = (table['crystal_system'] == systems).mean()
      score = fitting.score(values, table[name])
      print_row("`predict`: the codec's own heads", codec.size, score, accuracy)
  sizes = np.array([len(crystal.numbers) for crystal in crystals], float)
  volumes = np.array([abs(np.linalg.det(crystal.cell)) for crystal in crystals])
  computed = {'num_atoms': sizes, 'volume_per_atom': volumes / sizes}
  for name, values in computed.items():
    if name in table:
      score = fitting.score(values, table[name])
      print_row(f'`predict`: {name}', codec.size, score, None)


def crystal_systems(space_groups: np.ndarray) -> np.ndarray:
  """Index of the crystal system of each space group."""
  heads = PropertyHeads(('crystal_system',))
  ones = np.ones((len(space_groups), 1))
  batch = {'spacegroup_number': space_groups, 'numbers': ones}
  return np.asarray(heads.targets({}, batch)['crystal_system']).argmax(1)


def system_accuracy(x, systems, masks) -> float:
  """Share of crystal systems that ridge regressions of one-hot rows predict.

  Args:
    x: Features.
    systems: Index of the crystal system of each row.
    masks: Rows of each fold; its regression is fitted to all other rows.
  """
  one_hot = np.eye(len(CRYSTAL_SYSTEMS))[systems]
  correct = np.zeros(len(x), bool)
  for mask in masks:
    predicted = fit_ridge(x[~mask], one_hot[~mask])(x[mask])
    correct[mask] = predicted.argmax(1) == systems[mask]
  return float(correct.mean())


def print_row(name, size, score, accuracy) -> None:
  """Prints a row of the table; `accuracy` is that of crystal systems."""
  system = '' if accuracy is None else f'{accuracy:.1%}'
  print(f'| {name} | {size} | {score.r2:.3f} | {score.mae:.3f} | {system} |')


def _fit_ridge(x, values):
  fitted = fit_ridge(x, values[:, None])
  return lambda x: fitted(x)[:, 0]


def _fit_boosting(x, values):
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
