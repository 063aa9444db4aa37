"""Files, table and gallery of sampled crystals."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystal_jax import viewer
from crystal_jax.cli import outputs, pages
from crystal_jax.evaluation import pairs
from crystal_jax.io.folder import Folder
from crystal_jax.structure.composition import mass_density
from crystal_jax.structure.crystal import Crystal

# Columns of `outputs.TABLE`, as these commands write it.
COLUMNS = (
  'id', 'file', 'formula', 'atoms', 'space_group', 'symbol', 'density',
  'closest', 'residual', 'unmet', 'reason',
)  # fmt: skip


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
    args: Arguments of `output_options.add_folder_arguments` and
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
  # The space group of the table is that of the file.
  tolerance = args.symmetrize or checks.SYMMETRY_TOLERANCE
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
    row = _row(name, crystal, residual, report.unmet.get(index, []), tolerance)
    rows.append(row)
    if index in report.dropped:
      row['reason'] = '{}: {}'.format(*report.dropped[index])
      continue
    row['file'] = folder.write(
      f'{name}_{row["formula"]}', crystal, symprec=args.symmetrize
    ).name
    if page.is_open:
      page.add(pairs.panel(crystal, name, tolerance))
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


def _row(
  name: str,
  crystal: Crystal,
  residual: float,
  unmet: Sequence[str],
  tolerance: float,
) -> dict[str, Any]:
  """One row of the table; the space group is that within the tolerance, Å."""
  from crystal_jax.generation import checks

  atoms = crystal.to_ase()
  number, symbol = checks.space_group(crystal, tolerance)
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
