"""Convex hull of the energies of known crystals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import elements
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal


class Hull:
  """Lowest energies of mixtures of known crystals.

  Of each formula the known crystal with the lowest energy counts.
  """

  def __init__(
    self,
    fractions: Float[np.ndarray, 'M E'],
    energies: Float[np.ndarray, 'M'],
  ):
    """A hull.

    Args:
      fractions: Share of each element by atomic number, rows that sum to one.
      energies: eV/atom.
    """
    self._fractions = np.asarray(fractions, np.float64)
    self._energies = np.asarray(energies, np.float64)
    self._elements = self._fractions > 0

  @classmethod
  def of(
    cls,
    crystals: Sequence[Crystal],
    energies: Float[np.ndarray, 'M'],
    references: Float[np.ndarray, 'E'] | None = None,
  ) -> Hull:
    """The hull of crystals.

    Args:
      crystals: Known crystals.
      energies: Energy of each crystal, eV/atom; NaN: not known.
      references: Energies by atomic number, for elements without a crystal;
        NaN: not known.

    Raises:
      ValueError: If the numbers of crystals and energies differ.
    """
    if len(crystals) != len(energies):
      raise ValueError(
        f'{len(energies)} energies for {len(crystals)} known crystals; they '
        'have to be those of the same file, in its order.'
      )
    lowest: dict[tuple[tuple[int, int], ...], float] = {}
    for crystal, energy in zip(crystals, energies, strict=True):
      if np.isfinite(energy):
        unit = unit_of(crystal.numbers)
        lowest[unit] = min(lowest.get(unit, np.inf), float(energy))
    for z, energy in enumerate([] if references is None else references):
      if z and ((z, 1),) not in lowest and np.isfinite(energy):
        lowest[((z, 1),)] = float(energy)
    fractions = np.zeros((len(lowest), elements.NUM_CLASSES))
    for row, unit in enumerate(lowest):
      for z, count in unit:
        fractions[row, z] = count
    fractions /= fractions.sum(axis=1, keepdims=True)
    return cls(fractions, np.array([*lowest.values()]))

  def above(self, numbers: Int[np.ndarray, 'N'], energy: float) -> float:
    """Energy above the hull, eV/atom; NaN if nothing known has these elements.

    Args:
      numbers: Atomic numbers of a crystal.
      energy: Its energy, eV/atom. Below zero is more stable than any known
        mixture.
    """
    from scipy.optimize import linprog

    counts = np.bincount(np.asarray(numbers), minlength=elements.NUM_CLASSES)
    inside = counts > 0
    chosen = ~(self._elements & ~inside[None]).any(axis=1)
    result = linprog(
      self._energies[chosen],
      A_eq=self._fractions[chosen][:, inside].T,
      b_eq=counts[inside] / counts.sum(),
    )
    return energy - float(result.fun) if result.success else float('nan')
