"""Latents of atoms, and their derivatives by positions, lattice and codes.

Pure and compiled, in full precision. `Encoder` calls these functions.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from crystal_jax.codec.refinement.conjugate_gradients import conjugate_gradients
from crystal_jax.density.precision import full_precision
from crystal_jax.models.networks import Networks
from crystal_jax.representation.protocol import Invertible

# Element codes [N, C], positions [N, 3] and cell [3, 3]; in batches or alone.
Atoms = dict[str, Float[Array, '...']]

_jit = functools.partial(
  jax.jit, static_argnames=('representation', 'networks')
)


@_jit
def latents(
  representation: Invertible, networks: Networks, params: PyTree, atoms: Atoms
) -> tuple[Float[Array, 'B L'], Float[Array, 'B L']]:
  """Mean and standard deviation of each posterior of a batch."""
  with full_precision():
    mean, log_var = networks.encode(
      params, representation.encoder_inputs(**atoms)
    )
  flat = len(mean), -1
  return mean.reshape(flat), jnp.exp(0.5 * log_var).reshape(flat)


@functools.partial(
  jax.jit, static_argnames=('representation', 'lone', 'networks')
)
def atom_jacobian(
  representation: Invertible,
  lone: Invertible,
  networks: Networks,
  params: PyTree,
  atoms: Atoms,
  indices: Int[Array, 'K'],
) -> Float[Array, 'K 3 L']:
  """Derivative of the mean by the positions of K atoms.

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
def cell_jacobian(
  representation: Invertible, networks: Networks, params: PyTree, atoms: Atoms
) -> Float[Array, '3 3 L']:
  """Derivative of the mean by the lattice vectors.

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
def gauss_newton_step(
  representation: Invertible,
  networks: Networks,
  params: PyTree,
  atoms: Atoms,
  residual: Float[Array, 'L'],
  std: Float[Array, 'L'],
  iterations: int,
) -> Float[Array, 'N 3']:
  """Displacements of the atoms; see `Encoder.gauss_newton_step`."""

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
def code_gradient(
  representation: Invertible,
  networks: Networks,
  params: PyTree,
  atoms: Atoms,
  cotangent: Float[Array, 'L'],
) -> Float[Array, 'N C']:
  """Gradient of cotangent·mean by the element codes of the atoms."""

  def product(codes):
    inputs = _inputs(representation, atoms | {'codes': codes})
    return jnp.sum(_flat_mean(networks, params, inputs) * cotangent)

  return jax.grad(product)(atoms['codes'])


@functools.partial(jax.jit, static_argnames='networks')
def occupancy(
  networks: Networks, params: PyTree, latents: Float[Array, 'B L']
) -> Float[Array, 'B G G G']:
  """The occupancy that the networks decode from latents."""
  z = latents.reshape(len(latents), *networks.latent_shape)
  with full_precision():
    return networks.decode(params, z)['occupancy']


def _inputs(representation, atoms):
  """Encoder inputs of one crystal, as a batch of one."""
  batch = {name: leaf[None] for name, leaf in atoms.items()}
  with full_precision():
    return representation.encoder_inputs(**batch)


def _flat_mean(networks, params, inputs) -> Array:
  """Flat posterior mean of one crystal, [L]."""
  with full_precision():
    return networks.encode(params, inputs)[0].reshape(-1)
