"""The options of screening, its log and its table `screened.csv`."""

from __future__ import annotations

import argparse
import csv
import logging
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from crystal_jax.cli import outputs
from crystal_jax.evaluation import validity
from crystal_jax.generation import screening
from crystal_jax.io import atomic
from crystal_jax.structure import composition
from crystal_jax.structure.crystal import Crystal

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of screening, beside `--screen`."""
  parser.add_argument(
    '--known', metavar='DATA',
    help='drop crystals of this data set, named as --reference of `score`',
  )  # fmt: skip
  parser.add_argument(
    '--screen-energy', type=float, metavar='EV',
    help='maximum energy above the hull after relaxation, eV/atom (needs '
    '--known and --energies)',
  )  # fmt: skip
  parser.add_argument(
    '--energies', type=pathlib.Path,
    help='energies of the known crystals, as --stability of `score`',
  )  # fmt: skip


def screen(
  args: argparse.Namespace, crystals: Sequence[Crystal | None]
) -> dict[int, tuple[str, str]]:
  """Step and reason of each crystal that is dropped; writes the table.

  Raises:
    ValueError: If `--screen-energy` lacks known crystals or energies.
    FileNotFoundError: If the known crystals do not exist.
  """
  from crystal_jax.evaluation.samples.reference import load_reference

  known = None
  if args.known is not None:
    known = load_reference(args.known).train
  result = screening.screen(crystals, known=known, energy=_energy(args, known))
  for step in result.steps:
    _log.warning('screened by %s', step)
  if not validity.has_smact():
    _log.warning("not screened by charges: pip install 'crystal_jax[eval]'")
  args.out.mkdir(parents=True, exist_ok=True)
  with (
    atomic.replacing(args.out / outputs.SCREENED) as partial,
    open(partial, 'w', newline='', encoding='utf-8') as file,
  ):
    writer = csv.writer(file)
    writer.writerow(('id', 'formula', 'step', 'reason'))
    width = len(str(len(crystals) - 1))
    for index in sorted(result.dropped):
      crystal = crystals[index]
      assert crystal is not None
      unit = composition.unit_of(crystal.numbers)
      name = composition.formula(unit)
      writer.writerow((f'{index:0{width}d}', name, *result.dropped[index]))
  return dict(result.dropped)


def _energy(args, known) -> Callable[[Crystal], str | None] | None:
  """Function that returns why the energy of a crystal is too high, or None."""
  if args.screen_energy is None:
    return None
  if known is None or args.energies is None:
    raise ValueError('--screen-energy needs --known and --energies.')
  from crystal_jax.stability import scores

  energies, references = scores.read_energies(args.energies)
  stability = scores.Stability(energies, references)
  evaluator = scores.Evaluator(stability.hull(known), stability)

  def energy_failure(crystal: Crystal) -> str | None:
    row = evaluator.row(crystal)
    above = row['above_hull']
    if np.isfinite(above) and above <= args.screen_energy:
      return None
    return row['stability_failure'] or f'{above:.3f} eV/atom above the hull'

  return energy_failure
