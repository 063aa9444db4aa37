"""Latents of decoded crystals, and their derivatives by atoms and lattice.

A decoded crystal lies in the cell or box where the networks put it. It is
encoded there (`Invertible.encoder_inputs`), without going to a standard frame
first. Few shapes occur, so little is compiled.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec.refinement.conjugate_gradients import conjugate_gradients
from crystal_jax.density.exact_sums import full_precision
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
        outputs = _latents(representation, self.networks, self.params, atoms)
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
      _atom_jacobian(representation, lone, *model, indices[i : i + step])
      for i in range(0, len(indices), step)
    ]
    by_atoms = np.concatenate(jax.device_get(parts))[:size]
    jacobian = np.tensordot(displacements[:, :size], by_atoms, 2)
    if displacements[:, size:].any():
      by_cell = np.asarray(_cell_jacobian(representation, *model))
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
    step = _gauss_newton_step(
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
    gradient = _code_gradient(
      representation, self.networks, self.params, atoms, cotangent
    )
    return np.asarray(gradient)[: len(crystal.numbers)]

  def occupancy(
    self, latents: Float[np.ndarray, 'B L']
  ) -> Float[np.ndarray, 'B G G G']:
    """The occupancy that the networks decode from latents."""
    return np.asarray(_occupancy(self.networks, self.params, latents))

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


_jit = functools.partial(
  jax.jit, static_argnames=('representation', 'networks')
)


@_jit
def _latents(representation, networks, params, atoms):
  with full_precision():
    mean, log_var = networks.encode(
      params, representation.encoder_inputs(**atoms)
    )
  flat = len(mean), -1
  return mean.reshape(flat), jnp.exp(0.5 * log_var).reshape(flat)


def _inputs(representation, atoms):
  """Encoder inputs of one crystal, as a batch of one."""
  batch = {name: leaf[None] for name, leaf in atoms.items()}
  with full_precision():
    return representation.encoder_inputs(**batch)


def _flat_mean(networks, params, inputs) -> Array:
  """Flat posterior mean of one crystal, [L]."""
  with full_precision():
    return networks.encode(params, inputs)[0].reshape(-1)


@functools.partial(
  jax.jit, static_argnames=('representation', 'lone', 'networks')
)
def _atom_jacobian(representation, lone, networks, params, atoms, indices):
  """Derivative of the mean by the positions of K atoms, [K, 3, L].

  `lone` is the representation of one atom alone.
  """
  inputs = _inputs(representation, atoms)
  _, latent_jvp = jax.linearize(
    lambda x: _flat_mean(networks, params, x), inputs
  )

  def input_tangents(index):
    atom = atoms | {'codes': atoms['codes'][index, None]}

    def lone_inputs(position):
      return _inputs(lone, atom | {'positions': position[None]})

    _, input_jvp = jax.linearize(lone_inputs, atoms['positions'][index])
    return jax.vmap(input_jvp)(jnp.eye(3))

  # One atom after the other: all at once takes five times as long.
  tangents = jax.lax.map(input_tangents, indices)
  return jax.vmap(jax.vmap(latent_jvp))(tangents)


@_jit
def _cell_jacobian(representation, networks, params, atoms):
  """Derivative of the mean by the lattice vectors, [3, 3, L].

  Cartesian positions are fixed.
  """

  def mean(cell):
    inputs = _inputs(representation, atoms | {'cell': cell})
    return _flat_mean(networks, params, inputs)

  _, jvp = jax.linearize(mean, atoms['cell'])
  return jax.vmap(jax.vmap(jvp))(jnp.eye(9).reshape(3, 3, 3, 3))


@functools.partial(
  jax.jit, static_argnames=('representation', 'networks', 'iterations')
)
def _gauss_newton_step(
  representation, networks, params, atoms, residual, std, iterations
):
  def scaled_mean(positions):
    inputs = _inputs(representation, atoms | {'positions': positions})
    return _flat_mean(networks, params, inputs) / std

  positions = atoms['positions']
  _, jvp = jax.linearize(scaled_mean, positions)
  transpose = jax.linear_transpose(jvp, positions)

  def normal(step):
    return transpose(jvp(step))[0]

  with full_precision():
    return conjugate_gradients(normal, -transpose(residual)[0], iterations)


@_jit
def _code_gradient(representation, networks, params, atoms, cotangent):
  def product(codes):
    inputs = _inputs(representation, atoms | {'codes': codes})
    return jnp.sum(_flat_mean(networks, params, inputs) * cotangent)

  return jax.grad(product)(atoms['codes'])


@functools.partial(jax.jit, static_argnames='networks')
def _occupancy(networks, params, latents):
  z = latents.reshape(len(latents), *networks.latent_shape)
  with full_precision():
    return networks.decode(params, z)['occupancy']
