"""Encoder of decoded crystals, on the host: padded atoms, batches of one size.

A decoded crystal lies in the cell or box where the networks put it. It is
encoded there (`Invertible.encoder_inputs`), without going to a standard frame
first. Few shapes occur, so little is compiled.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, PyTree

from crystal_jax.codec.refinement import derivatives
from crystal_jax.models.networks import Networks
from crystal_jax.representation.protocol import Invertible
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal

# Crystals per call of the networks: few, as most calls are for a few.
BATCH = 8
# Atom slots are a multiple of this.
_SLOTS = 24
# Atoms whose rows of the Jacobian are computed in one call.
_ATOMS_PER_CALL = 4


@dataclasses.dataclass(frozen=True)
class Encoder:
  """The encoder of a model, for decoded crystals; on the host.

  Attributes:
    representation: An `Invertible` representation.
    networks: Networks that encode its inputs.
    params: Parameters of the networks.
  """

  representation: Invertible
  networks: Networks
  params: PyTree

  def latents(
    self, crystals: Sequence[Crystal], batch_size: int = 1
  ) -> tuple[Float[np.ndarray, 'B L'], Float[np.ndarray, 'B L']]:
    """Mean and standard deviation of each posterior.

    Args:
      crystals: Crystals without empty slots.
      batch_size: Crystals per call of the networks; compiled once for each
        size. Results do not depend on the batch.

    Returns:
      NaN where the representation has no inputs for a crystal.
    """
    groups = collections.defaultdict(list)
    for index, crystal in enumerate(crystals):
      groups[self._sized(crystal)].append(index)
    size = int(np.prod(self.networks.latent_shape))
    latents = np.zeros((2, len(crystals), size), np.float32)
    for (representation, slots), indices in groups.items():
      for start in range(0, len(indices), batch_size):
        batch = indices[start : start + batch_size]
        rows = [_pad(crystals[i], slots) for i in batch]
        rows += rows[:1] * (batch_size - len(rows))
        atoms = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
        outputs = derivatives.latents(
          representation, self.networks, self.params, atoms
        )
        latents[:, batch] = np.stack(jax.device_get(outputs))[:, : len(batch)]
    return latents[0], latents[1]

  def jacobian(
    self, crystal: Crystal, displacements: Float[np.ndarray, 'P M 3']
  ) -> Float[np.ndarray, 'P L']:
    """Derivative of the mean along displacements.

    The density is a sum over atoms, so the derivative by one atom needs the
    density of that atom alone.

    Args:
      crystal: N atoms, without empty slots.
      displacements: P displacements of the N atoms, then of the lattice
        vectors, M = N + 3, Å.
    """
    representation, slots = self._sized(crystal)
    size = len(crystal.numbers)
    model = self.networks, self.params, _pad(crystal, slots)
    cell = np.asarray(crystal.cell)[None]
    lone_atom = {'numbers': np.ones((1, 1), int), 'cell': cell}
    lone = self.representation.sized(lone_atom)
    step = _ATOMS_PER_CALL
    indices = np.arange(-(-size // step) * step) % size
    parts = [
      derivatives.atom_jacobian(
        representation, lone, *model, indices[i : i + step]
      )
      for i in range(0, len(indices), step)
    ]
    by_atoms = np.concatenate(jax.device_get(parts))[:size]
    jacobian = np.tensordot(displacements[:, :size], by_atoms, 2)
    if displacements[:, size:].any():
      by_cell = np.asarray(derivatives.cell_jacobian(representation, *model))
      jacobian += np.tensordot(displacements[:, size:], by_cell, 2)
    return jacobian

  def gauss_newton_step(
    self,
    crystal: Crystal,
    residual: Float[np.ndarray, 'L'],
    std: Float[np.ndarray, 'L'],
    iterations: int,
  ) -> Float[np.ndarray, 'N 3']:
    """Displacements of the atoms that lower a residual, by conjugate gradients.

    An approximate least-squares solution, in products with the Jacobian: for
    many atoms, a fraction of the time that the Jacobian itself takes.

    Args:
      crystal: N atoms, without empty slots.
      residual: Difference of latents, in `std`.
      std: Standard deviations of the posterior.
      iterations: Products with the Jacobian and its transpose.
    """
    representation, slots = self._sized(crystal)
    atoms = _pad(crystal, slots)
    step = derivatives.gauss_newton_step(
      representation,
      self.networks,
      self.params,
      atoms,
      residual.astype(np.float32),
      std.astype(np.float32),
      iterations,
    )
    return np.asarray(step, np.float64)[: len(crystal.numbers)]

  def code_gradient(
    self, crystal: Crystal, cotangent: Float[np.ndarray, 'L']
  ) -> Float[np.ndarray, 'N C']:
    """Gradient of cotangent·mean by the element codes of the atoms."""
    representation, slots = self._sized(crystal)
    atoms = _pad(crystal, slots)
    gradient = derivatives.code_gradient(
      representation, self.networks, self.params, atoms, cotangent
    )
    return np.asarray(gradient)[: len(crystal.numbers)]

  def occupancy(
    self, latents: Float[np.ndarray, 'B L']
  ) -> Float[np.ndarray, 'B G G G']:
    """The occupancy that the networks decode from latents."""
    found = derivatives.occupancy(self.networks, self.params, latents)
    return np.asarray(found)

  def _sized(self, crystal) -> tuple[Invertible, int]:
    """The representation with enough images, and the atom slots."""
    crystal = crystal.pad(-(-len(crystal.numbers) // _SLOTS) * _SLOTS)
    arrays = {
      'numbers': np.asarray(crystal.numbers)[None],
      'cell': np.asarray(crystal.cell)[None],
    }
    return self.representation.sized(arrays), len(crystal.numbers)


def _pad(crystal, slots):
  """Codes, positions and cell, in float32 and without a batch."""
  crystal = crystal.pad(slots)
  return {
    'codes': elements.element_codes()[crystal.numbers].astype(np.float32),
    'positions': np.asarray(crystal.positions, np.float32),
    'cell': np.asarray(crystal.cell, np.float32),
  }
