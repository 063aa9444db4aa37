"""Scores of generated crystals, of any generator, against a data set.

  ase build -x rocksalt -a 5.64 NaCl NaCl.cif
  ase build -x rocksalt -a 4.21 MgO MgO.cif
  python -m crystal_jax prepare NaCl.cif MgO.cif --out=mine
  python -m crystal_jax score NaCl.cif --reference=mine --out=scores

Prints validity, uniqueness, novelty, coverage (with matminer installed),
Wasserstein distances and, for held-out crystals with a sample of their formula,
match @1 and @K, each beside the value of the reference's own held-out crystals.
Writes scores.json, crystals.csv (one line per crystal) and report.html.

The reference is the stem of compact files (data/mp_le20 for
data/mp_le20_train.npz and data/mp_le20_val.npz), a prepared folder, a folder
with train.csv and val.csv, or mp_20, perov_5 or carbon_24, which read the
published CSV files as datasets/cdvae_csv describes.

--stability=ENERGIES.npz relaxes the first samples and as many held-out crystals
with CHGNet (needs the extra [stability]), or with any ASE calculator, and
prints their energies above the hull of the training crystals. The file holds
`train`, the energy of each training crystal in eV/atom by the same potential.
Results are kept in stability.jsonl: the same command continues where it was
stopped.

A file that holds no whole crystal is a sample too: it is listed on stderr with
the reason and counts as invalid. So is a draw of `sample` that gave no crystal,
by the folder's index.tsv.

--table prints earlier scores side by side, one column for each folder:

    python -m crystal_jax score --table scores_a scores_b --metrics=valid,novel

Exit status: 0 if every file holds a crystal, 3 if some do not, 1 if none could
be scored.
"""

import argparse
import csv
import os
import pathlib
import sys
from collections.abc import Sequence

from crystal_jax.cli import inputs, outputs
from crystal_jax.evaluation import samples
from crystal_jax.io.reading import listing
from crystal_jax.io.reading.crystals import read_crystals
from crystal_jax.io.reading.items import Skip
from crystal_jax.stability import scores as stability_lib
from crystal_jax.stability.relaxation import RelaxConfig
from crystal_jax.structure.crystal import Crystal


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  inputs.add_sources(parser)
  parser.add_argument('-r', '--reference', help='the data set; see above')
  parser.add_argument('-o', '--out', type=pathlib.Path, help='folder to write')
  parser.add_argument(
    '--table', action='store_true',
    help='IN are folders of earlier scores: print them as one table',
  )  # fmt: skip
  parser.add_argument(
    '--metrics', help='names, as in scores.json, of the rows of --table'
  )
  parser.add_argument(
    '-k', type=int, default=20, help='candidates per composition (default: 20)'
  )
  parser.add_argument(
    '--coverage',
    action=argparse.BooleanOptionalAction,
    help='coverage, about 0.03 s a crystal (default: if matminer is there)',
  )
  parser.add_argument(
    '--cache', type=pathlib.Path, default=_cache(),
    help="folder of results of the data set's own crystals, which take longer "
    'the first time (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--stability', type=pathlib.Path, metavar='ENERGIES',
    help='relax, and evaluate energies above the hull of these energies',
  )  # fmt: skip
  parser.add_argument(
    '--relaxed', type=int, default=200, metavar='N',
    help='samples, and held-out crystals, that are relaxed (default: 200)',
  )  # fmt: skip
  parser.add_argument(
    '--calculator', default='chgnet',
    help='potential: chgnet (default), or package.module:function, which makes '
    'an ASE calculator',
  )  # fmt: skip
  parser.add_argument(
    '--force', type=float, default=0.1,
    help='relax until forces are below this, eV/Å (default: 0.1)',
  )  # fmt: skip
  parser.add_argument(
    '--steps', type=int, default=200, help='maximum number (default: 200)'
  )
  parser.add_argument(
    '--stability-cache', type=pathlib.Path, metavar='FILE',
    help='results of relaxations (default: stability.jsonl in the folder)',
  )  # fmt: skip


def run(args: argparse.Namespace) -> int:
  """Scores crystals; returns the exit status."""
  from crystal_jax.evaluation.samples import reference, report, table

  if args.table:
    names = args.metrics.split(',') if args.metrics else None
    print(table.of_folders(args.sources, names))
    return 0
  if args.reference is None or args.out is None:
    raise ValueError('Need --reference and --out, or --table.')
  skipped = outputs.SkipCounter()
  ids, crystals = read_samples(args.sources)
  known = reference.load_reference(args.reference)
  print(
    f'{len(crystals)} samples against {len(known.train)} training and '
    f'{len(known.heldout)} held-out crystals of {known.name}; the first time '
    f'takes minutes if these are thousands, results are kept in {args.cache}',
    file=sys.stderr,
  )
  scores = samples.score(
    crystals,
    known,
    ids=ids,
    k=args.k,
    coverage=args.coverage,
    stability=_stability(args),
    cache=args.cache,
  )
  report.write_report(args.out, scores, crystals)
  print(scores.table())
  print(f'wrote {args.out / "report.html"}')
  for row in scores.crystals:
    if row['failure']:
      skipped.skip(row['id'], row['failure'])
  return skipped.status(len(crystals))


def read_samples(
  sources: Sequence[pathlib.Path],
) -> tuple[list[str], list[Crystal | str]]:
  """Ids and crystals of samples, or the reason why a sample has none.

  A draw that gave no crystal, which only a folder's table lists, takes its
  place among the files of the folder by its id.
  """
  groups: dict[str, list[tuple[str, Crystal | str]]] = {
    listing.prefix(source, sources): [] for source in sources
  }
  for result in read_crystals(sources):
    if not isinstance(result, Skip):
      sample: tuple[str, Crystal | str] = result[1], result[0]
    elif not result.is_ignorable:
      # A sample that holds no whole crystal is invalid.
      sample = result.id or result.file, result.reason
    else:
      continue
    folder = f'{sample[0].partition("/")[0]}/'
    groups.setdefault(folder if folder in groups else '', []).append(sample)
  for source in sources:
    prefix = listing.prefix(source, sources)
    failed = _failed_draws(source / outputs.TABLE, prefix)
    if failed:
      groups[prefix] = sorted(groups[prefix] + failed, key=_id)
  found = [sample for group in groups.values() for sample in group]
  return [id_ for id_, _ in found], [sample for _, sample in found]


def _failed_draws(
  path: pathlib.Path, prefix: str
) -> list[tuple[str, Crystal | str]]:
  """Id and reason of the draws of a table that gave no crystal.

  Crystals that were screened out have a formula: they are no samples.
  """
  if not path.is_file():
    return []
  with open(path, encoding='utf-8', newline='') as file:
    return [
      (prefix + row['id'], row['reason'])
      for row in csv.DictReader(file, delimiter='\t')
      if row.get('reason') and not row.get('file') and not row.get('formula')
    ]


def _id(sample: tuple[str, Crystal | str]) -> str:
  return sample[0]


def _cache() -> pathlib.Path:
  """The user's cache folder."""
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(home) / 'crystal_jax'


def _stability(args: argparse.Namespace) -> stability_lib.Stability | None:
  """How stability is evaluated. None: it is not evaluated.

  Raises:
    ValueError: If a number is not positive, or the file has no energies.
    OSError: If there is no such file.
  """
  if args.stability is None:
    return None
  for name in 'relaxed', 'force', 'steps':
    if not getattr(args, name) > 0:
      raise ValueError(f'Need --{name}={getattr(args, name)} to be positive.')
  energies, references = stability_lib.read_energies(args.stability)
  return stability_lib.Stability(
    energies,
    references,
    calculator=args.calculator,
    samples=args.relaxed,
    config=RelaxConfig(args.force, args.steps),
    cache=args.stability_cache or args.out / 'stability.jsonl',
  )
