"""Convex hull of the energies of known crystals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from crystal_jax.structure import elements
from crystal_jax.structure.composition import unit_of
from crystal_jax.structure.crystal import Crystal


class Hull:
  """Lowest energies of mixtures of known crystals, by composition."""

  def __init__(
    self,
    fractions: Float[np.ndarray, 'M E'],
    energies: Float[np.ndarray, 'M'],
  ):
    """The hull of known compositions.

    Args:
      fractions: Share of each element in each composition, by atomic number;
        rows sum to one.
      energies: Energy of each composition, eV/atom.
    """
    self._fractions = np.asarray(fractions, np.float64)
    self._energies = np.asarray(energies, np.float64)

  @classmethod
  def of(
    cls,
    crystals: Sequence[Crystal],
    energies: Float[np.ndarray, 'M'],
    references: Float[np.ndarray, 'E'] | None = None,
  ) -> Hull:
    """The hull of crystals; the lowest energy of each formula counts.

    Args:
      crystals: Known crystals.
      energies: Energy of each crystal, eV/atom; NaN: not known.
      references: Energy of each element by atomic number, eV/atom, for elements
        without a crystal; NaN: not known.

    Raises:
      ValueError: If the numbers of crystals and energies differ.
    """
    if len(crystals) != len(energies):
      raise ValueError(
        f'{len(energies)} energies for {len(crystals)} known crystals; give '
        'one energy for each crystal, in the order of the crystals.'
      )
    # Lowest energy of each reduced formula, ((atomic number, count), ..).
    lowest: dict[tuple[tuple[int, int], ...], float] = {}
    for crystal, energy in zip(crystals, energies, strict=True):
      if np.isfinite(energy):
        formula = unit_of(crystal.numbers)
        lowest[formula] = min(lowest.get(formula, np.inf), float(energy))
    for number, energy in enumerate([] if references is None else references):
      element = ((number, 1),)
      if number and element not in lowest and np.isfinite(energy):
        lowest[element] = float(energy)
    fractions = np.zeros((len(lowest), elements.NUM_CLASSES))
    for row, formula in enumerate(lowest):
      for number, count in formula:
        fractions[row, number] = count
    fractions /= fractions.sum(axis=1, keepdims=True)
    return cls(fractions, np.array([*lowest.values()]))

  def above(self, numbers: Int[np.ndarray, 'N'], energy: float) -> float:
    """Energy above the hull, eV/atom.

    Args:
      numbers: Atomic numbers of a crystal.
      energy: Energy of the crystal, eV/atom.

    Returns:
      The energy, less the lowest energy of a mixture of known crystals with the
      same composition: negative if the crystal is more stable than all of them.
      NaN if no known crystals mix to the composition.
    """
    from scipy.optimize import linprog

    counts = np.bincount(np.asarray(numbers), minlength=elements.NUM_CLASSES)
    present = counts > 0
    # Known compositions without any other element.
    usable = ~(self._fractions[:, ~present] > 0).any(axis=1)
    if not usable.any():
      return float('nan')
    result = linprog(
      self._energies[usable],
      A_eq=self._fractions[usable][:, present].T,
      b_eq=counts[present] / counts.sum(),
    )
    return energy - float(result.fun) if result.success else float('nan')
