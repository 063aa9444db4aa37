"""Parts shared by commands that sample crystals: conditions, files, table."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax import viewer
from crystal_jax.cli import inputs, outputs, pages
from crystal_jax.codec.codec import UnmetWarning
from crystal_jax.evaluation import pairs
from crystal_jax.io.folder import Folder
from crystal_jax.structure.composition import mass_density
from crystal_jax.structure.crystal import Crystal

# Columns of `outputs.TABLE`, as these commands write it.
COLUMNS = (
  'id', 'file', 'formula', 'atoms', 'space_group', 'symbol', 'density',
  'closest', 'residual', 'unmet', 'reason',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """The options of both commands."""
  inputs.add_weights(parser)
  parser.add_argument(
    '--prior', type=pathlib.Path,
    help="a prior's folder or run (default: the one beside the weights)",
  )  # fmt: skip
  parser.add_argument(
    '--n', type=int, default=10, help='samples (default: %(default)s)'
  )
  parser.add_argument(
    '--seed', type=int, default=0,
    help='seed of all random numbers (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument('--composition', help='a ratio, such as LiCoO2')
  parser.add_argument(
    '--num-atoms', type=int, help='atoms in the primitive cell'
  )
  parser.add_argument(
    '--elements', help='all elements of the crystals, such as Li,Co,O'
  )
  parser.add_argument(
    '--exclude-elements', help='elements to leave out, such as Pb,Cd'
  )
  parser.add_argument('--space-group', type=int, help='1 to 230')
  parser.add_argument('--crystal-system', help='cubic, hexagonal, ..')
  parser.add_argument(
    '--property', action='append', default=[], metavar='NAME=VALUE',
    help='such as formation_energy_per_atom=-2; may be repeated',
  )  # fmt: skip
  parser.add_argument(
    '--experimental', action=argparse.BooleanOptionalAction, default=None,
    help='as crystals that were observed in experiments, or only computed',
  )  # fmt: skip
  parser.add_argument(
    '--guidance',
    type=float,
    help='weight of the conditions; 1: as in the data (default: 2)',
  )
  parser.add_argument(
    '--exact',
    action='store_true',
    help='sample again while conditions are unmet',
  )
  outputs.add_folder_arguments(parser)
  pages.add_arguments(parser)


def conditions(args: argparse.Namespace) -> dict[str, Any]:
  """Conditions of the options, as `Codec.sample` takes them."""
  return {
    'composition': args.composition,
    'num_atoms': args.num_atoms,
    'elements': _symbols(args.elements),
    'exclude_elements': _symbols(args.exclude_elements),
    'space_group': args.space_group,
    'crystal_system': args.crystal_system,
    'properties': dict(map(_property, args.property)) or None,
    'experimental': args.experimental,
    'guidance': args.guidance,
    'exact': args.exact,
  }


def open_codec(args: argparse.Namespace) -> Any:
  """The codec, with the prior of `--prior`; empties the output folder.

  Raises:
    ValueError: If the folder is not empty, or the codec does not exist.
    OSError: If the prior does not exist.
  """
  codec = inputs.open_codec(args.weights)
  if args.prior is not None:
    codec.load_prior(args.prior)
  outputs.prepare_folder(args.out, overwrite=args.overwrite)
  return codec


@contextlib.contextmanager
def unmet_in_table() -> Iterator[None]:
  """Hides the warning that counts unmet conditions; the table has them."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', UnmetWarning)
    yield


@dataclasses.dataclass(frozen=True)
class SampleReport:
  """What is known of the crystals of a table, by index.

  Attributes:
    failures: Reason why a sample has no crystal.
    unmet: Conditions that a crystal does not meet.
    residuals: See `Codec.residuals`. None: unknown.
    dropped: Step that screened a crystal out, and the reason.
  """

  failures: Mapping[int, str]
  unmet: Mapping[int, Sequence[str]] = dataclasses.field(default_factory=dict)
  residuals: Sequence[float] | None = None
  dropped: Mapping[int, tuple[str, str]] = dataclasses.field(
    default_factory=dict
  )

  @classmethod
  def of(cls, codec: Any) -> SampleReport:
    """Report of the last samples of a codec."""
    return cls(codec.failures, codec.unmet, codec.residuals)


def write(
  args: argparse.Namespace,
  report: SampleReport,
  crystals: Sequence[Crystal | None],
  title: str,
  first: viewer.Panel | None = None,
) -> int:
  """Writes CIFs, the table and a gallery; returns the exit status.

  Crystals that were screened out are in the table, not in the folder, and do
  not count for the status.

  Args:
    args: Arguments of `outputs.add_folder_arguments` and
      `pages.add_arguments`.
    report: Report of the crystals.
    crystals: The crystals, None where there is none.
    title: Title of the gallery.
    first: First panel of the gallery, if any.
  """
  from crystal_jax.generation import checks

  skipped = outputs.SkipCounter()
  rows: list[dict[str, Any]] = []
  folder = Folder(args.out)
  width = len(str(len(crystals) - 1))
  page = pages.Page(args)
  if first is not None:
    page.add(first)
  for index, crystal in enumerate(crystals):
    name = f'{index:0{width}d}'
    if crystal is None:
      skipped.skip(f'sample {name}', report.failures[index])
      rows.append({'id': name, 'reason': report.failures[index]})
      continue
    residual = float('nan')
    if report.residuals is not None:
      residual = float(report.residuals[index])
    row = _row(name, crystal, residual, report.unmet.get(index, []))
    rows.append(row)
    if index in report.dropped:
      row['reason'] = '{}: {}'.format(*report.dropped[index])
      continue
    row['file'] = folder.write(
      f'{name}_{row["formula"]}', crystal, symprec=args.symmetrize
    ).name
    if page.is_open:
      page.add(pairs.panel(crystal, name, checks.SYMMETRY_TOLERANCE))
  written = [row for row in rows if 'file' in row]
  message = page.write(title, gallery=True) if written else ''
  outputs.write_table(args.out / outputs.TABLE, COLUMNS, rows)
  if args.json:
    print(json.dumps(rows, indent=1, ensure_ascii=False))
  else:
    _print(args, written, len(crystals))
    if message:
      print(message)
  return skipped.status(len(written) + len(report.dropped))


def symmetrize(
  args: argparse.Namespace, crystals: Sequence[Crystal | None]
) -> list[Crystal | None]:
  """Crystals with the symmetry they have within `--symmetrize`, exactly."""
  from crystal_jax.generation import symmetry

  if not args.symmetrize:
    return [*crystals]
  return [
    None if c is None else symmetry.symmetrized(c, args.symmetrize)
    for c in crystals
  ]


def _row(name: str, crystal: Crystal, residual: float, unmet) -> dict[str, Any]:
  """One row of the table."""
  from crystal_jax.generation import checks

  atoms = crystal.to_ase()
  number, symbol = checks.space_group(crystal)
  volume = abs(float(np.linalg.det(crystal.cell)))
  density = mass_density(atoms.numbers, volume)
  return {
    'id': name,
    'formula': atoms.symbols.formula.reduce()[0].format('metal'),
    'atoms': len(atoms),
    'space_group': number,
    'symbol': symbol,
    'density': round(density, 3),
    'closest': round(checks.closest(crystal), 3),
    'residual': round(residual, 3) if np.isfinite(residual) else None,
    'unmet': '; '.join(unmet),
  }


def _print(args: argparse.Namespace, rows, num_samples: int) -> None:
  """Prints the table and a summary."""
  print('id    formula            N  group            Å   g/cm³')
  for row in rows:
    group = f'{row["symbol"]} ({row["space_group"]})'
    print(
      f'{row["id"]:5} {row["formula"]:16} {row["atoms"]:3}  {group:13} '
      f'{row["closest"]:5.2f}  {row["density"]:6.2f}  {row["unmet"]}'.rstrip()
    )
  unmet = sum(bool(row['unmet']) for row in rows)
  note = f', {unmet} of them with unmet conditions' if unmet else ''
  print(f'wrote {len(rows)} of {num_samples} samples to {args.out}{note}')


def _symbols(text: str | None) -> set[str] | None:
  if text is None:
    return None
  return {each.strip() for each in text.split(',') if each.strip()}


def _property(text: str) -> tuple[str, float]:
  name, separator, value = text.partition('=')
  try:
    return name, float(value)
  except ValueError:
    raise ValueError(
      f'--property={text}: need NAME=VALUE, such as band_gap=1.5.'
    ) from None
