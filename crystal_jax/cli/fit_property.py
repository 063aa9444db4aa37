"""A property of your own, fitted to the latents of your crystals.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  ase build -x rocksalt -a 4.21 MgO MgO.cif
  printf 'file,hardness\\nNaCl.cif,2.5\\nMgO.cif,6\\n' > table.csv
  python -m crystal_jax fit-property table.csv --units=Mohs --out=my_codec

The table has a column of values and names a crystal in each row: `file`, a path
beside the table; or `cif`, the text of a file, as CDVAE's tables have it. A
linear head is fitted, and its error held out by formula (by crystal, if all
have one formula) is printed beside the errors of the composition alone. The
codec is saved with the head: `predict --weights=./my_codec` knows the property.
Two values are an example, not a fit.

Exit status: 0 if every row was fitted, 3 if something was skipped, 1 if there
is no head.
"""

import argparse
import csv
import pathlib

from crystal_jax.cli import inputs, outputs
from crystal_jax.io.read import parse_cif, read
from crystal_jax.structure.crystal import Crystal

# Columns that are not the property.
_NOT_VALUES = ('file', 'cif', 'id', 'material_id', 'formula', '')


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('table', type=pathlib.Path, help='.csv file')
  parser.add_argument(
    '--property', help='column of values; default: the only one of numbers'
  )
  parser.add_argument('--units', default='', help='of the values')
  inputs.add_weights(parser)
  parser.add_argument(
    '-o', '--out', type=pathlib.Path, required=True, help='folder of the codec'
  )


def run(args: argparse.Namespace) -> int:
  """Fits and saves; returns the exit status."""
  rows = _rows(args.table)
  name = args.property or _only_values(args.table, rows)
  if name not in rows[0]:
    raise ValueError(
      f'{args.table} has no column {name!r}, only {", ".join(rows[0])}.'
    )
  skipped = outputs.SkipCounter()
  crystals, values = [], []
  for number, row in enumerate(rows, start=2):
    where = f'{args.table.name}:{number}'
    value = _number(row[name])
    if value is None:
      skipped.skip(where, f'{row[name]!r} in column {name!r} is not a number')
      continue
    crystal = _crystal(args.table, row)
    if isinstance(crystal, str):
      skipped.skip(where, crystal)
      continue
    crystals.append(crystal)
    values.append(value)
  if not crystals:
    return skipped.status(0)
  codec = inputs.open_codec(args.weights)
  report = codec.fit_head(
    crystals, values, name=name, units=args.units, skip=True
  )
  for index, reason in codec.failures.items():
    skipped.skip(f'{args.table.name}, crystal {index}', reason)
  codec.save(args.out)
  print(f'wrote {args.out}: {codec.describe()["name"]} with a head of {name}')
  print(f'Held out by {report.held_out_by}, {report.crystals} crystals:')
  scores = {'the latent, ridge': report.latent, **report.baselines}
  for model, score in scores.items():
    print(f'  {model:38} MAE {score.mae:8.4g} {args.units}  R² {score.r2:6.3f}')
  print(report.verdict)
  return skipped.status(report.crystals)


def _rows(table: pathlib.Path) -> list[dict[str, str]]:
  """Rows of the table.

  Raises:
    ValueError: If it has none, or names no crystals.
  """
  with table.open(newline='', encoding='utf-8-sig') as file:
    rows = list(csv.DictReader(file))
  if not rows:
    raise ValueError(f'{table} has no rows.')
  if not {'file', 'cif'} & set(rows[0]):
    raise ValueError(
      f'{table} needs a column file (paths beside it) or cif (their text); it '
      f'has {", ".join(rows[0])}.'
    )
  return rows


def _only_values(table: pathlib.Path, rows: list[dict[str, str]]) -> str:
  """The only column of numbers.

  Raises:
    ValueError: If there is not exactly one.
  """
  found = [
    name
    for name in rows[0]
    if name not in _NOT_VALUES
    and any(_number(row[name]) is not None for row in rows)
  ]
  if not found:
    raise ValueError(f'{table}: no column but names of crystals holds numbers.')
  if len(found) != 1:
    raise ValueError(
      f'{table}: say which column is fitted, --property=NAME, of '
      f'{", ".join(found)}.'
    )
  return found[0]


def _number(text: str | None) -> float | None:
  try:
    return float(text or '')
  except ValueError:
    return None


def _crystal(table: pathlib.Path, row: dict[str, str]) -> Crystal | str:
  """The crystal of a row, or why there is none."""
  try:
    if row.get('cif'):
      return parse_cif(row['cif'])
    path = table.parent / (row.get('file') or '')
    if not path.is_file():
      return f'there is no file {row.get("file")!r} beside the table'
    return read(path)
  except (ValueError, OSError) as error:
    return str(error)
