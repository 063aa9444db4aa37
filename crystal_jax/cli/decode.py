"""Latents to crystal files, a CIF each.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax encode NaCl.cif --weights=mp_20 --out=z.npz
  python -m crystal_jax decode z.npz --weights=mp_20 --out=decoded

Takes what `encode` wrote: an .npz file of `z` [B, D] and, for the names of the
files, `ids` [B]. Each crystal is its primitive cell in a reduced basis. Latents
of which no crystal comes are listed on stderr with the reason.

Exit status: 0 if everything was decoded, 3 if something was skipped, 1 if
nothing came out.
"""

import argparse
import pathlib
import sys
import zipfile

import numpy as np
import tqdm

from crystal_jax.cli import inputs
from crystal_jax.io.folder import Folder

_CHUNK = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """What the verb takes."""
  parser.add_argument('latents', type=pathlib.Path, help='.npz file')
  inputs.add_weights(parser)
  inputs.add_refine(parser)
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder of CIFs'
  )


def run(args: argparse.Namespace) -> int:
  """Decodes latents; returns the exit status."""
  ids, z, name, fingerprint = _read(args.latents)
  codec, skipped = inputs.open_codec(args.weights), inputs.Skipped()
  if fingerprint and fingerprint != codec.describe()['fingerprint']:
    raise ValueError(
      f'{args.latents}: latents of another codec, {name}, which mean nothing '
      f'to {args.weights}.'
    )
  folder, written = Folder(args.out), 0
  bar = tqdm.tqdm(
    total=len(ids), unit=' crystals', disable=not sys.stderr.isatty()
  )
  with bar:
    for start in range(0, len(ids), _CHUNK):
      crystals = codec.decode(z[start : start + _CHUNK], refine=args.refine)
      for place, crystal in enumerate(crystals):
        if crystal is None:
          skipped.add(ids[start + place], codec.failures[place])
        else:
          folder.write(ids[start + place], crystal)
          written += 1
      bar.update(len(crystals))
  print(f'wrote {written} crystals to {args.out}')
  return skipped.status(written)


def _read(path) -> tuple[list[str], np.ndarray, str, str]:
  """Ids, latents, the codec's name and fingerprint ('' where unsaid)."""
  try:
    with (
      open(path, 'rb') as opened,
      np.load(opened, allow_pickle=False) as file,
    ):
      columns = {name: file[name] for name in file.files}
  except FileNotFoundError:
    raise
  except (ValueError, OSError, EOFError, AttributeError) as error:
    raise ValueError(f'{path}: cannot be read as npz: {error}') from error
  except zipfile.BadZipFile as error:
    raise ValueError(f'{path}: damaged: {error}') from error
  z = columns.get('z')
  if z is None or z.ndim != 2 or z.dtype.kind != 'f':
    raise ValueError(f'{path}: holds no latents `z` [B, D].')
  ids = columns.get('ids', np.arange(len(z)))
  if ids.shape != (len(z),):
    raise ValueError(f'{path}: {ids.shape} ids of {len(z)} latents.')
  said = (str(columns.get(name, '')) for name in ('codec', 'fingerprint'))
  return [str(id_) for id_ in ids], z, *said
