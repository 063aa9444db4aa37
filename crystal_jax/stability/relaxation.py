"""Relaxation of atoms and cell with an ASE calculator."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from crystal_jax.structure.crystal import Crystal

# A cell that grows or shrinks beyond this factor has come apart.
_MAX_VOLUME_RATIO = 5.0


@dataclasses.dataclass(frozen=True)
class RelaxConfig:
  """When a relaxation ends.

  Attributes:
    force: Largest force on an atom or the cell of a relaxed crystal, eV/Å.
    steps: Most steps of FIRE.
  """

  force: float = 0.1
  steps: int = 200


@dataclasses.dataclass(frozen=True)
class Relaxed:
  """A relaxed crystal.

  Attributes:
    crystal: The crystal after the last step.
    energy: Energy, eV/atom.
    steps: Number of steps.
    converged: Whether all forces are below the limit.
  """

  crystal: Crystal
  energy: float
  steps: int
  converged: bool


def relax(
  crystal: Crystal, calculator: Any, config: RelaxConfig = RelaxConfig()
) -> Relaxed | str:
  """Relaxes a crystal, or says why it cannot be.

  Args:
    crystal: One crystal.
    calculator: ASE calculator of energies, forces and stresses.
    config: Limits of the relaxation.
  """
  from ase.filters import FrechetCellFilter
  from ase.optimize import FIRE

  atoms = crystal.to_ase()
  atoms.calc = calculator
  volume = atoms.get_volume()
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      optimizer = FIRE(FrechetCellFilter(atoms), logfile=None)
      flags = []
      for is_converged in optimizer.irun(fmax=config.force, steps=config.steps):
        flags.append(bool(is_converged))
        ratio = atoms.get_volume() / volume
        if not 1 / _MAX_VOLUME_RATIO < ratio < _MAX_VOLUME_RATIO:
          return f'the cell went to {ratio:.2g} of its volume'
      energy = float(atoms.get_potential_energy()) / len(atoms)
  except Exception as error:  # Potentials raise all kinds.
    return f'the potential failed: {type(error).__name__}: {error}'
  if not np.isfinite(energy):
    return 'the energy is not finite'
  return Relaxed(Crystal.from_ase(atoms), energy, optimizer.nsteps, flags[-1])
