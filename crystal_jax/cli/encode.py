"""Crystal files to latents, in one .npz file.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax encode NaCl.cif --weights=mp_20 --out=z.npz

Takes files and folders, with all folders in them. The file holds `ids` [B], `z`
[B, D] and `std` [B, D] (the posterior's mean and standard deviation), and which
`codec` they are of; `decode` makes crystals of it. What cannot be encoded is
not in it, and is listed on stderr with the reason.

Exit status: 0 if everything was encoded, 3 if something was skipped, 1 if
nothing came out.
"""

import argparse
import pathlib

import numpy as np

from crystal_jax.cli import inputs
from crystal_jax.io import atomic


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """What the verb takes."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='.npz file'
  )


def run(args: argparse.Namespace) -> int:
  """Encodes crystals; returns the exit status."""
  if args.out.suffix != '.npz':
    raise ValueError(f'{args.out} is no .npz file.')
  if not args.out.absolute().parent.is_dir():
    raise ValueError(f'{args.out}: there is no such folder.')
  codec, skipped = inputs.open_codec(args.weights), inputs.Skipped()

  def ask(crystals):
    return np.stack(codec.encode(crystals, skip=True, std=True), axis=1)

  ids, latents = [], []
  for id_, _, latent in inputs.ask_each(codec, args.sources, skipped, ask):
    ids.append(id_)
    latents.append(latent)
  if ids:
    mean, std = np.stack(latents, axis=1)
    _save(args.out, ids, mean, std, codec.describe())
    print(f'wrote {args.out}: {len(ids)} latents of {codec.size} numbers')
  return skipped.status(len(ids))


def _save(path, ids, z, std, card) -> None:
  """Writes latents, complete or not at all."""
  with atomic.replacing(path) as partial, partial.open('wb') as file:
    np.savez(
      file,
      ids=np.array(ids),
      z=z,
      std=std,
      codec=np.array(card['name']),
      fingerprint=np.array(card['fingerprint']),
    )
