"""Properties of crystal files, read off their latents, in one table.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  python -m crystal_jax predict NaCl.cif --out=p.csv

One row for each crystal: id, each property and, as NAME_std, its standard
deviation under the posterior's noise, a lower bound of the error. Printed are
the held-out errors, and what values the codec was trained on. Heads that
`fit-property` saved are in the table too.

Exit status: 0 if every crystal is in the table, 3 if something was skipped, 1
if nothing came out.
"""

import argparse
import csv
import pathlib

import numpy as np

from crystal_jax.cli import inputs, outputs
from crystal_jax.io import atomic


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  inputs.add_sources(parser)
  inputs.add_weights(parser)
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='.csv file'
  )


def run(args: argparse.Namespace) -> int:
  """Writes the table; returns the exit status."""
  if args.out.suffix != '.csv':
    raise ValueError(f'{args.out} is no .csv file.')
  if not args.out.absolute().parent.is_dir():
    raise ValueError(f'{args.out}: no such folder.')
  codec, skipped = inputs.open_codec(args.weights), outputs.SkipCounter()
  names: list[str] = []

  def predict(crystals):
    table = codec.predict(crystals, std=True, skip=True)
    names[:] = table
    return np.stack(list(table.values()), axis=1)

  rows = [
    (id_, values)
    for id_, _, values in inputs.apply_codec(
      codec, args.sources, skipped, predict
    )
  ]
  if rows:
    with atomic.replacing(args.out) as partial:
      _write(partial, names, rows)
    print(f'wrote {args.out}: {len(rows)} crystal' + 's' * (len(rows) != 1))
    for name, known in codec.describe()['properties'].items():
      print(f'  {name} ({known["units"] or "no units given"}){_error(known)}')
      if 'source' in known:
        print(f'    trained on {known["source"]}')
  return skipped.status(len(rows))


def _write(path, names, rows) -> None:
  from crystal_jax.structure.crystal_systems import CRYSTAL_SYSTEMS

  with path.open('w', newline='', encoding='utf-8') as file:
    writer = csv.writer(file)
    writer.writerow(['id', *names])
    for id_, values in rows:
      cells = [
        CRYSTAL_SYSTEMS[int(value)]
        if name == 'crystal_system'
        else f'{value:.5g}'
        for name, value in zip(names, values, strict=True)
      ]
      writer.writerow([id_, *cells])


def _error(known) -> str:
  """The held-out errors of a property, in words."""
  heldout = known.get('heldout', {})
  parts = [f'{name} {value:.3g}' for name, value in heldout.items()]
  of = f' ({known["heldout_of"]})' if 'heldout_of' in known else ''
  return f': held out {", ".join(parts)}{of}' if parts else ''
