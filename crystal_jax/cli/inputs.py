"""Arguments and inputs that the commands of a codec share."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import tqdm

from crystal_jax.codec import coverage
from crystal_jax.codec.codec import Codec
from crystal_jax.codec.codec import open_codec as open_codec
from crystal_jax.codec.crystal_codec import REFINE
from crystal_jax.io.reading import formats
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.structure import elements, primitive
from crystal_jax.structure.crystal import Crystal

# Number of crystals that are read, then given to a codec together.
BATCH_SIZE = 256
# Maximum number of atoms of a crystal. Of larger ones the primitive cell is
# taken; they are skipped if that is larger too.
_MAX_ATOMS = 10_000


class SkipLog(Protocol):
  """Records skipped inputs."""

  def skip(self, name: str, reason: str) -> None:
    """Records one skipped input."""


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
  """The option that selects the crystals to refine."""
  parser.add_argument(
    '--refine',
    choices=REFINE,
    default=REFINE[0],
    help='crystals that are refined until they encode to the latent: auto '
    '(default: those that disagree), all (positions are then best), or none '
    '(fastest)',
  )
  parser.add_argument(
    '--refine-seconds',
    type=float,
    metavar='S',
    help='budget of the refinement of one crystal, s; then the best crystal so '
    'far is written (default: no limit)',
  )


def add_sources(parser: argparse.ArgumentParser) -> None:
  """The arguments that name crystals."""
  parser.add_argument(
    'sources', nargs='+', type=pathlib.Path, metavar='IN',
    help=f'files and folders: {formats.DESCRIPTION}',
  )  # fmt: skip


def apply_codec(
  codec: Codec,
  sources: Sequence[pathlib.Path],
  log: SkipLog,
  function: Callable[[list[Crystal]], Sequence[Any]],
) -> Iterator[tuple[str, Crystal, Any]]:
  """Id, crystal and result of each crystal that the codec takes.

  Args:
    codec: The codec.
    sources: Files and folders.
    log: Records files that hold no crystal, and crystals that the codec
      refuses.
    function: Returns one result for each crystal, and leaves reasons in
      `codec.failures`.
  """
  for ids, crystals in read(sources, log):
    results = function(crystals)
    failures = codec.failures
    for index, row in enumerate(zip(ids, crystals, results, strict=True)):
      if index in failures:
        suggestion = codec_suggestion(crystals[index], codec)
        log.skip(ids[index], failures[index] + suggestion)
      else:
        yield row


def read(
  sources: Sequence[pathlib.Path], log: SkipLog
) -> Iterator[tuple[list[str], list[Crystal]]]:
  """Ids and crystals of files and folders, `BATCH_SIZE` at a time.

  Files that hold no crystal go to `log`. In a folder, files of other formats
  are ignored.

  Raises:
    FileNotFoundError: If one of the sources does not exist.
    ValueError: If they hold no file of a supported format.
  """
  ids: list[str] = []
  crystals: list[Crystal] = []
  is_empty = True
  with tqdm.tqdm(unit=' crystals', disable=None) as bar:
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
      if len(ids) == BATCH_SIZE:
        yield ids, crystals
        bar.update(len(ids))
        ids, crystals = [], []
    if ids:
      yield ids, crystals
      bar.update(len(ids))
  if is_empty:
    names = ', '.join(str(source) for source in sources)
    raise ValueError(
      f'{names}: no crystal files found ({formats.DESCRIPTION}).'
    )


def codec_suggestion(crystal: Crystal, codec: Codec) -> str:
  """A shipped codec for a crystal that this one refuses; '' if none helps.

  None helps unless the crystal has elements or atoms beyond the codec's limits.
  """
  numbers = primitive.primitive_numbers(crystal)
  symbols = {elements.symbol(number) for number in numbers.tolist()}
  if coverage.limits_of(codec.describe()).cover(symbols, len(numbers)):
    return ''
  names = coverage.covering(symbols, len(numbers))
  if not names:
    return '; no shipped codec of cells encodes its elements and size'
  return f'; --weights={names[0]} encodes its elements and size'
