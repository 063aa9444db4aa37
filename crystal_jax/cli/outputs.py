"""A folder of decoded crystals and its table, as commands of a codec write it.

`index.tsv` has a row for each requested crystal: id, file, formula,
atoms, certain (yes or no), residual (`Codec.residuals`) and, if no crystal
was written, the reason. Uncertain crystals are files named `*.uncertain.cif`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tqdm

from crystal_jax.cli import pages
from crystal_jax.io import atomic
from crystal_jax.io.folder import Folder
from crystal_jax.structure.crystal import Crystal

# Exit status if some crystals were skipped or are uncertain.
INCOMPLETE = 3
# Name of the table in the folder, and its columns.
TABLE = 'index.tsv'
COLUMNS = 'id', 'file', 'formula', 'atoms', 'certain', 'residual', 'reason'

# Table of the crystals that `sample --screen` drops, in the folder.
SCREENED = 'screened.csv'

# Characters of an id, so that `.uncertain` still fits into a file name.
_MAX_ID = 100


class SkipCounter:
  """Counts skipped inputs and lists them on stderr, above a progress bar."""

  def __init__(self) -> None:
    """Starts at zero."""
    self.skipped = 0

  def skip(self, name: str, reason: str) -> None:
    """Records one."""
    self.skipped += 1
    tqdm.tqdm.write(f'skipped {name}: {reason}', file=sys.stderr)

  def status(self, written: int) -> int:
    """0 if all were written, 3 if some were skipped, 1 if none was written."""
    if not written:
      return 1
    return INCOMPLETE if self.skipped else 0


class CrystalFolder(SkipCounter):
  """Writes decoded crystals as CIF files, and marks uncertain ones."""

  def __init__(
    self, args: argparse.Namespace, columns: Sequence[str] = ()
  ) -> None:
    """Makes the folder.

    Args:
      args: Parsed arguments of `add_arguments`.
      columns: Further columns of the table, before the reason.

    Raises:
      ValueError: If it is not empty, and `--overwrite` is not given.
      OSError: If it cannot be made.
    """
    super().__init__()
    self._path: pathlib.Path = args.out
    self._strict, self._json = args.strict, args.json
    self._symprec = args.symmetrize
    self._columns = *COLUMNS[:-1], *columns, COLUMNS[-1]
    self._rows: list[dict[str, Any]] = []
    prepare_folder(self._path, overwrite=args.overwrite)
    self._folder = Folder(self._path)

  def write(
    self,
    id_: str,
    crystal: Crystal,
    certain: bool,
    residual: float,
    values: Mapping[str, float] | None = None,
  ) -> None:
    """Writes one crystal; with `--strict` only if it is certain.

    Args:
      id_: Its id.
      crystal: The decoded crystal.
      certain: See `Codec.certain`.
      residual: See `Codec.residuals`.
      values: Values of the further columns; others stay empty.
    """
    if not certain and self._strict:
      self.skip(id_, f'uncertain, residual {residual:.3g}')
      return
    name = id_ if certain else f'{id_[:_MAX_ID]}.uncertain'
    file = self._folder.write(name, crystal, symprec=self._symprec)
    self._rows.append(
      dict.fromkeys(self._columns)
      | {
        'id': id_,
        'file': file.name,
        'formula': crystal.to_ase().get_chemical_formula(),
        'atoms': len(crystal.numbers),
        'certain': bool(certain),
        'residual': residual if math.isfinite(residual) else None,
      }
      | dict(values or {})
    )

  def skip(self, name: str, reason: str) -> None:
    """Records an input of which no crystal was written."""
    super().skip(name, reason)
    row = dict.fromkeys(self._columns) | {'id': name, 'reason': reason}
    self._rows.append(row)

  def finish(self, note: str = '', page_message: str = '') -> int:
    """Writes the table, prints a summary, and returns the exit status.

    Args:
      note: Text at the end of the summary.
      page_message: Message of `pages.Page.write`, printed last.
    """
    written = [row for row in self._rows if row['file']]
    uncertain = [row['file'] for row in written if not row['certain']]
    write_table(self._path / TABLE, self._columns, map(_as_text, self._rows))
    if self._json:
      print(json.dumps(self._rows, indent=1, ensure_ascii=False))
    else:
      crystals = f'crystal{"s" * (len(written) != 1)}'
      print(f'wrote {len(written)} {crystals} to {self._path}{note}')
      if uncertain:
        print(
          f'uncertain: {len(uncertain)} of them, such as {uncertain[0]}: they '
          f'do not encode to the given latents; see {TABLE}'
        )
      if page_message:
        print(page_message)
    status = self.status(len(written))
    return INCOMPLETE if uncertain and not status else status


def write_table(
  path: pathlib.Path,
  columns: Sequence[str],
  rows: Iterable[Mapping[str, Any]],
) -> None:
  """Writes rows as a file of columns, separated by tabs."""
  with atomic.replacing(path) as partial:
    with open(partial, 'w', encoding='utf-8', newline='') as file:
      table = csv.DictWriter(file, columns, delimiter='\t')
      table.writeheader()
      table.writerows(rows)


def prepare_folder(path: pathlib.Path, *, overwrite: bool) -> None:
  """Checks that a folder is empty; removes the files of an earlier run.

  Raises:
    ValueError: If it is not empty and `overwrite` is false, or is a file.
  """
  if path.exists() and not path.is_dir():
    raise ValueError(f'{path} is a file; name a folder.')
  if not path.is_dir():
    return
  entries = {entry.name for entry in path.iterdir()}
  table = path / TABLE
  names = _files_of(table) if table.is_file() else []
  # Only tables, which name no file: an earlier run wrote no crystal.
  is_empty = not names and {TABLE} <= entries <= {TABLE, SCREENED}
  if entries and not is_empty and not overwrite:
    raise ValueError(
      f'{path} is not empty; name another folder, or give --overwrite.'
    )
  if not table.is_file():
    return
  for name in names:
    # Only files that such a table can name: no path, and no other suffix.
    if pathlib.PurePath(name).name == name and name.endswith('.cif'):
      (path / name).unlink(missing_ok=True)
  for name in pages.NAME, SCREENED:
    (path / name).unlink(missing_ok=True)


def _files_of(table: pathlib.Path) -> list[str]:
  """Names of the files that a table of an earlier run lists."""
  with open(table, encoding='utf-8', newline='') as file:
    rows = csv.DictReader(file, delimiter='\t')
    return [row['file'] for row in rows if row.get('file')]


def _as_text(row: dict[str, Any]) -> dict[str, str]:
  """A row of the table: tabs and line ends of ids become spaces."""
  text = {}
  for name, value in row.items():
    if value is None:
      text[name] = ''
    elif isinstance(value, bool):
      text[name] = 'yes' if value else 'no'
    elif isinstance(value, float):
      text[name] = f'{value:.4g}'
    else:
      text[name] = ' '.join(str(value).split())
  return text
