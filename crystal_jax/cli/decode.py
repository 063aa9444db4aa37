"""Latents to crystal files, a CIF for each.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax encode NaCl.cif --weights=mp_20 --out=z.npz
  python -m crystal_jax decode z.npz --weights=mp_20 --out=decoded

Takes the .npz file that `encode` wrote: `z` [B, D] and, for the names of the
files, `ids` [B]. Writes each crystal's primitive cell in a reduced basis, and
index.tsv: its residual, and whether it is certain. Uncertain crystals are
written as *.uncertain.cif, or left out with --strict; latents that decode to no
crystal are listed on stderr with the reason.

Exit status: 0 if every latent was decoded, 3 if a crystal was skipped or is
uncertain, 1 if none was written.
"""

import argparse
import pathlib

import numpy as np
import tqdm

from crystal_jax.cli import inputs, output_options, outputs
from crystal_jax.codec.card import fingerprints


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('latents', type=pathlib.Path, help='.npz file')
  inputs.add_weights(parser)
  inputs.add_refine(parser)
  output_options.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Decodes latents; returns the exit status."""
  ids, z, name, fingerprint = _read(args.latents)
  codec = inputs.open_codec(args.weights)
  known = codec.describe().get('fingerprint'), *fingerprints(codec.params)
  if fingerprint and fingerprint not in known:
    raise ValueError(
      f'{args.latents}: latents of another codec, {name}; decode them with its '
      'weights.'
    )
  if z.shape[1] != codec.size:
    raise ValueError(
      f'{args.latents}: latents of {z.shape[1]} numbers, where those of '
      f'{args.weights} have {codec.size}; name the codec that made them.'
    )
  folder = outputs.CrystalFolder(args)
  bar = tqdm.tqdm(total=len(ids), unit=' crystals', disable=None)
  with bar:
    for start in range(0, len(ids), inputs.BATCH_SIZE):
      batch = z[start : start + inputs.BATCH_SIZE]
      crystals = codec.decode(
        batch, refine=args.refine, refine_seconds=args.refine_seconds
      )
      certain, residuals = codec.certain, codec.residuals
      for index, crystal in enumerate(crystals):
        id_ = ids[start + index]
        if crystal is None:
          folder.skip(id_, codec.failures[index])
        else:
          folder.write(
            id_, crystal, bool(certain[index]), float(residuals[index])
          )
      bar.update(len(crystals))
  return folder.finish()


def _read(path: pathlib.Path) -> tuple[list[str], np.ndarray, str, str]:
  """Ids, latents, the codec's name and fingerprint ('' where unknown)."""
  if path.is_dir():
    raise ValueError(f'{path} is a folder; name the .npz file of `encode`.')
  if not path.is_file():
    raise ValueError(f'{path}: no such file; `encode` writes one.')
  if path.suffix != '.npz':
    raise ValueError(
      f'{path} is no .npz file of latents; `encode CRYSTAL --out=z.npz` makes '
      'one.'
    )
  try:
    with (
      open(path, 'rb') as opened,  # NumPy leaves a damaged one open.
      np.load(opened, allow_pickle=False) as file,
    ):
      wanted = {'z', 'ids', 'codec', 'fingerprint'} & set(file.files)
      columns = {name: file[name] for name in wanted}
  except Exception as error:  # zipfile, zlib and NumPy each have their own.
    raise ValueError(f'{path}: damaged, or no .npz file.') from error
  z = columns.get('z')
  if z is None or z.ndim != 2 or z.dtype.kind != 'f':
    raise ValueError(f'{path}: holds no latents `z` [B, D].')
  ids = columns.get('ids', np.arange(len(z)))
  if ids.shape != (len(z),):
    raise ValueError(f'{path}: {ids.shape} ids for {len(z)} latents.')
  name, fingerprint = (
    str(columns.get(name, '')) for name in ('codec', 'fingerprint')
  )
  return [str(id_) for id_ in ids], z, name, fingerprint
