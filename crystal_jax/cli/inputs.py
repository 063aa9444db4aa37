"""Arguments and inputs that the verbs of a codec share."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tqdm

from crystal_jax.codec import coverage
from crystal_jax.codec.codec import Codec
from crystal_jax.codec.codec import open_codec as open_codec
from crystal_jax.codec.crystal_codec import REFINE
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import elements, primitive
from crystal_jax.structure.crystal import Crystal

# Crystals that are read before a codec works on them.
CHUNK = 256
# Crystals of files with more atoms are skipped, whatever their primitive cells.
_MAX_ATOMS = 10_000


class SkipLog(Protocol):
  """Takes what is left out."""

  def skip(self, name: str, reason: str) -> None:
    """Notes one name and the reason."""


def add_weights(parser: argparse.ArgumentParser) -> None:
  """The option that names a codec."""
  parser.add_argument(
    '-w',
    '--weights',
    default='mp_20',
    help="a shipped codec (default: mp_20; `info` lists them), a saved one's "
    'folder, or the workdir of a run (a path has a separator: ./mine)',
  )


def add_refine(parser: argparse.ArgumentParser) -> None:
  """The option that says which crystals are refined."""
  parser.add_argument(
    '--refine',
    choices=REFINE,
    default=REFINE[0],
    help='crystals that are refined until they encode to the latent: auto '
    '(default: those that disagree), all (positions are then best), or none '
    '(fastest)',
  )


def add_sources(parser: argparse.ArgumentParser) -> None:
  """The arguments that name crystals."""
  parser.add_argument(
    'sources',
    nargs='+',
    type=pathlib.Path,
    metavar='IN',
    help='files and folders: CIF, POSCAR, extxyz, .res, .pdb, .db, .csv, .npz',
  )


def ask_each(
  codec: Codec,
  sources: Sequence[pathlib.Path],
  log: SkipLog,
  ask: Callable[[list[Crystal]], Sequence[Any]],
) -> Iterator[tuple[str, Crystal, Any]]:
  """Id, crystal and answer of each crystal that a codec answers for.

  Args:
    codec: The codec.
    sources: Files and folders.
    log: Takes files that hold no crystal, and what the codec fails at.
    ask: Takes crystals, answers with one thing for each and leaves
      `codec.failures`.
  """
  for ids, crystals in read(sources, log):
    answers = ask(crystals)
    failures = codec.failures
    for index, each in enumerate(zip(ids, crystals, answers, strict=True)):
      if index in failures:
        log.skip(ids[index], failures[index] + advice(crystals[index], codec))
      else:
        yield each


def read(
  sources: Sequence[pathlib.Path], log: SkipLog
) -> Iterator[tuple[list[str], list[Crystal]]]:
  """Ids and crystals of files and folders, a few hundred at a time.

  Files that hold no crystal go to `log`; of a folder only those that claim to.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
    ValueError: If they hold no file that claims to be a crystal.
  """
  ids: list[str] = []
  crystals: list[Crystal] = []
  is_empty = True
  with tqdm.tqdm(unit=' crystals', disable=not sys.stderr.isatty()) as bar:
    for result in read_crystals(sources, max_atoms=_MAX_ATOMS):
      if isinstance(result, Skip):
        is_named = any(s.name == result.file and s.is_file() for s in sources)
        if is_named or not result.is_ignorable:
          log.skip(result.file, result.reason)
          is_empty = False
        continue
      is_empty = False
      crystal, id_, _ = result
      ids.append(id_)
      crystals.append(crystal)
      if len(ids) == CHUNK:
        yield ids, crystals
        bar.update(len(ids))
        ids, crystals = [], []
    if ids:
      yield ids, crystals
      bar.update(len(ids))
  if is_empty:
    names = ', '.join(str(source) for source in sources)
    raise ValueError(
      f'{names}: no crystal files in there (CIF, POSCAR, extxyz, .db, .csv '
      'with a column cif, compact .npz).'
    )


def advice(crystal: Crystal, codec: Codec) -> str:
  """Which shipped codec takes a crystal that this one refuses, if any."""
  numbers, _, _ = primitive.primitive_cell(
    np.asarray(crystal.numbers),
    np.asarray(crystal.positions) @ np.linalg.inv(crystal.cell),
    np.asarray(crystal.cell),
  )
  symbols = {elements.symbol(number) for number in numbers.tolist()}
  name = codec.describe().get('name')
  names = coverage.covering(symbols, len(numbers))
  if name in names:  # It was refused for another reason.
    return ''
  if not names:
    return '; no shipped codec of cells takes it'
  return f'; --weights={names[0]} takes it'
