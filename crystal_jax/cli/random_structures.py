"""Random sensible structures, as AIRSS starts from them: a baseline.

  python -m crystal_jax random-structures --composition=LiCoO2 --n=20 --out=r

With the compositions of your own crystals:

    python -m crystal_jax random-structures --like=train.npz --n=100 --out=r

Each structure has a random space group, the cell volume that known crystals
predict, and atoms on random Wyckoff positions, no closer than in known
crystals. --like takes composition and number of atoms of random known crystals.
Only distances and volumes are learnt; --density, --volume and
--min-distance-scale overrule them.

Writes a CIF for each structure, index.html and index.tsv. Lists each
composition whose atoms did not fit on stderr, with the reason.

Exit status: 0 if all were made, 3 if some were not, 1 if none was.
"""

import argparse
import pathlib

import numpy as np

from crystal_jax.baselines.random_structures import (
  RandomConfig,
  random_structures,
)
from crystal_jax.cli import baselines
from crystal_jax.structure import composition

# Most atoms of a cell whose number of formula units is sampled.
_MAX_ATOMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  baselines.add_arguments(parser)
  parser.add_argument('--composition', help='a ratio, such as LiCoO2')
  parser.add_argument(
    '--num-atoms', type=int, help='atoms in the primitive cell'
  )
  parser.add_argument(
    '--formula-units', type=int, help='formula units in the primitive cell'
  )
  parser.add_argument(
    '--like', type=pathlib.Path, nargs='+', metavar='IN',
    help='crystals whose compositions are sampled at random',
  )  # fmt: skip
  parser.add_argument('--space-group', type=int, help='1 to 230')
  parser.add_argument('--density', type=float, help='g/cm³')
  parser.add_argument('--volume', type=float, help='Å³/atom')
  parser.add_argument(
    '--min-distance-scale', type=float,
    default=RandomConfig.min_distance_scale,
    help='smallest allowed distance of two atoms, in units of the 10 %% '
    'quantile of known crystals (default: %(default)s)',
  )  # fmt: skip
  parser.add_argument(
    '--attempts', type=int, default=RandomConfig.attempts,
    help='cells that are tried for each structure (default: %(default)s)',
  )  # fmt: skip


def run(args: argparse.Namespace) -> int:
  """Makes structures; returns the exit status."""
  config = RandomConfig(
    space_group=args.space_group,
    volume_per_atom=args.volume,
    density=args.density,
    min_distance_scale=args.min_distance_scale,
    attempts=args.attempts,
  )
  contents = _contents(args)
  baselines.prepare_output(args)
  structures = random_structures(
    contents, baselines.statistics(args), config, seed=args.seed
  )
  title = f'Random structures of {args.composition or "known compositions"}'
  return baselines.write(args, structures, title)


def _contents(args: argparse.Namespace) -> list[np.ndarray]:
  """Atomic numbers of each structure."""
  generator = np.random.default_rng([args.seed, args.n])
  if args.like is not None:
    if args.composition or args.num_atoms or args.formula_units:
      raise ValueError('--like gives the composition and the number of atoms.')
    known = baselines.known(args.like)
    rows = generator.integers(len(known), size=args.n)
    return [np.asarray(known[row].numbers) for row in rows]
  if args.composition is None:
    raise ValueError('Need --composition or --like.')
  wanted = composition.contents(
    args.composition, args.num_atoms, args.formula_units
  )
  if wanted.units is not None:
    return [wanted.numbers(wanted.units)] * args.n
  most = max(1, _MAX_ATOMS // wanted.unit_size)
  units = generator.integers(1, most + 1, size=args.n)
  return [wanted.numbers(int(number)) for number in units]
