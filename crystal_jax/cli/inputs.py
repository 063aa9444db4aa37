"""What the verbs of a codec share: weights, crystals of many files, skips."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tqdm

from crystal_jax.codec.codec import REFINE, Codec
from crystal_jax.codec.codec import open_codec as open_codec
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure.crystal import Crystal

# Exit status where something came out, and something was skipped and listed.
SKIPPED = 3
# Crystals that are read before they are worked on.
_CHUNK = 256
# A file with more atoms than this in a crystal is no input of a codec.
_MAX_ATOMS = 10_000


def add_weights(parser: argparse.ArgumentParser) -> None:
  """The option that names a codec."""
  parser.add_argument(
    '-w',
    '--weights',
    default='mp_20',
    help="a shipped codec (default: mp_20), a saved one's folder, or the "
    'workdir of a run (a path has a separator: ./mine)',
  )


def add_refine(parser: argparse.ArgumentParser) -> None:
  """The option that says which crystals are looked for."""
  parser.add_argument(
    '--refine',
    choices=REFINE,
    default=REFINE[0],
    help='which crystals are looked for by asking the encoder: those in doubt '
    '(default), all, whose atoms are then placed best, or none, the fastest',
  )


def add_sources(parser: argparse.ArgumentParser) -> None:
  """The arguments that name crystals."""
  parser.add_argument(
    'sources',
    nargs='+',
    type=pathlib.Path,
    metavar='IN',
    help='files and folders: CIF, POSCAR, extxyz, .db, .csv, compact .npz',
  )


class Skipped:
  """Lists on stderr what is left out, and knows the exit status."""

  def __init__(self):
    self.number = 0

  def add(self, name: str, reason: str) -> None:
    """Notes one, beside a progress bar."""
    self.number += 1
    tqdm.tqdm.write(f'skipped {name}: {reason}', file=sys.stderr)

  def status(self, written: int) -> int:
    """0 if everything came out, 3 if some was skipped, 1 if nothing came."""
    if not written:
      return 1
    return SKIPPED if self.number else 0


def ask_each(
  codec: Codec,
  sources: Sequence[pathlib.Path],
  skipped: Skipped,
  ask: Callable[[list[Crystal]], Sequence[Any]],
) -> Iterator[tuple[str, Crystal, Any]]:
  """Id, crystal and answer, of each crystal that a codec answers for.

  What is no crystal goes to `skipped`, and so does what the codec fails at.

  Args:
    codec: The codec.
    sources: Files and folders.
    skipped: Takes what is left out.
    ask: A method of the codec that takes crystals, answers with one thing for
      each, and notes `failures`.
  """
  for ids, crystals in read(sources, skipped):
    answers = ask(crystals)
    for place, each in enumerate(zip(ids, crystals, answers, strict=True)):
      if place in codec.failures:
        skipped.add(ids[place], codec.failures[place])
      else:
        yield each


def read(
  sources: Sequence[pathlib.Path], skipped: Skipped
) -> Iterator[tuple[list[str], list[Crystal]]]:
  """Ids and crystals of files and folders, some hundred at a time.

  What is no crystal goes to `skipped`; in a folder only what claims to be one.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
  """
  ids, crystals = [], []
  bar = tqdm.tqdm(unit=' crystals', disable=not sys.stderr.isatty())
  with bar:
    for result in read_crystals(sources, max_atoms=_MAX_ATOMS):
      if isinstance(result, Skip):
        asked = any(s.name == result.file and s.is_file() for s in sources)
        if asked or not result.other:
          skipped.add(result.file, result.reason)
        continue
      crystal, id_, _ = result
      ids.append(id_)
      crystals.append(crystal)
      if len(ids) == _CHUNK:
        yield ids, crystals
        bar.update(len(ids))
        ids, crystals = [], []
    if ids:
      yield ids, crystals
      bar.update(len(ids))
