"""Crystal files to latents, in one .npz file or a table.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax encode NaCl.cif --weights=mp_20 --out=z.npz

Takes files and folders; subfolders are searched. An .npz file holds `ids` [B],
`z` [B, D] and `std` [B, D] (the posterior's mean and standard deviation), and
the name of the `codec`; `decode` makes crystals of it. --out=z.csv or z.parquet
gives a table instead: id, z0, z1, .. A crystal that cannot be encoded is left
out, and listed on stderr with the reason.

Exit status: 0 if everything was encoded, 3 if something was skipped, 1 if
nothing came out.
"""

import argparse
import csv
import json
import pathlib

import numpy as np

from crystal_jax.cli import inputs, outputs
from crystal_jax.io import atomic

_SUFFIXES = '.npz', '.csv', '.parquet'


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  parser.add_argument(
    '-o',
    '--out',
    type=pathlib.Path,
    required=True,
    help='.npz, .csv or .parquet file',
  )
  parser.add_argument(
    '--json', action='store_true', help='print what was written as JSON'
  )


def run(args: argparse.Namespace) -> int:
  """Encodes crystals; returns the exit status."""
  if args.out.suffix not in _SUFFIXES:
    raise ValueError(f'{args.out} is none of {", ".join(_SUFFIXES)}.')
  if not args.out.absolute().parent.is_dir():
    raise ValueError(f'{args.out}: no such folder.')
  if args.out.suffix == '.parquet':
    _parquet()
  codec, log = inputs.open_codec(args.weights), outputs.SkipCounter()

  def encode(crystals):
    return np.stack(codec.encode(crystals, skip=True, std=True), axis=1)

  ids, latents = [], []
  for id_, _, latent in inputs.apply_codec(codec, args.sources, log, encode):
    ids.append(id_)
    latents.append(latent)
  if ids:
    mean, std = np.stack(latents, axis=1)
    with atomic.replacing(args.out) as partial:
      _save(partial, ids, mean, std, codec.describe())
    written = {'file': str(args.out), 'latents': len(ids), 'size': codec.size}
    if args.json:
      print(json.dumps(written | {'ids': ids, 'skipped': log.skipped}))
    else:
      print(f'wrote {args.out}: {len(ids)} latents of {codec.size} numbers')
  return log.status(len(ids))


def _save(path, ids, z, std, card) -> None:
  """Writes latents in the format of the suffix."""
  names = [f'z{i}' for i in range(z.shape[1])]
  if path.suffix == '.npz':
    np.savez(
      path,
      ids=np.array(ids),
      z=z,
      std=std,
      codec=np.array(card.get('name', '')),
      fingerprint=np.array(card.get('fingerprint', '')),
    )
  elif path.suffix == '.csv':
    with open(path, 'w', encoding='utf-8', newline='') as file:
      table = csv.writer(file)
      table.writerow(['id', *names])
      table.writerows([id_, *row.tolist()] for id_, row in zip(ids, z))  # noqa: B905
  else:
    pyarrow, parquet = _parquet()
    columns = {'id': ids} | dict(zip(names, z.T, strict=True))
    parquet.write_table(pyarrow.table(columns), path)


def _parquet():
  """Pyarrow and its parquet module.

  Raises:
    ValueError: If it is not installed.
  """
  try:
    import pyarrow
    import pyarrow.parquet
  except ImportError as error:
    raise ValueError(
      'A .parquet file needs pyarrow: pip install pyarrow; or write .csv.'
    ) from error
  return pyarrow, pyarrow.parquet
