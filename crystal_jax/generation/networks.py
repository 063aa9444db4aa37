"""Networks of the prior: a velocity field on latents, and compositions.

`Velocity` is a residual MLP with adaptive layer norm (DiT, arXiv:2212.09748),
on one latent instead of tokens. Unlike in adaLN-Zero, gates start at 1.
`CompositionNet` is autoregressive over the elements of a formula, from metals
to anions.
"""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from crystal_jax.structure import elements

# Harmonics of the time embedding: sin and cos of π k t, k = 1 .. 8.
_HARMONICS = 8


class Velocity(nn.Module):
  """Velocity of a latent on its way from noise to data.

  Attributes:
    width: Channels of the residual stream.
    blocks: Residual blocks.
    factor: Hidden width of a block, as a multiple of `width`.
    condition_width: Channels of the embedding of time and conditions.
    operands: Data type of the operands of matrix products, 'float32' or
      'bfloat16'; sums and parameters are float32.
  """

  width: int = 768
  blocks: int = 6
  factor: int = 2
  condition_width: int = 256
  operands: str = 'float32'

  @nn.compact
  def __call__(
    self,
    x: Float[Array, 'B D'],
    time: Float[Array, 'B'],
    features: Float[Array, 'B F'],
  ) -> Float[Array, 'B D']:
    """Velocities at the given latents and times.

    Args:
      x: Standardized latents, noise at time 0 and data at time 1.
      time: Time of each latent, in [0, 1].
      features: Features of the conditions; see `conditions.features`.
    """
    dense = functools.partial(nn.Dense, dot_general=_dot_of(self.operands))
    zeros = nn.initializers.zeros
    frequencies = jnp.pi * jnp.arange(1, _HARMONICS + 1, dtype=x.dtype)
    angles = time[:, None] * frequencies[None]
    time_features = jnp.concatenate(
      [time[:, None], jnp.sin(angles), jnp.cos(angles)], axis=-1
    )
    c = dense(self.condition_width)(nn.gelu(dense(self.width)(features)))
    c = c + dense(self.condition_width)(time_features)
    c = dense(self.condition_width)(nn.gelu(c))
    c = nn.gelu(c)
    h = dense(self.width)(x) + dense(self.width)(c)
    for _ in range(self.blocks):
      scale, shift, gate = jnp.split(
        dense(3 * self.width, kernel_init=zeros)(c), 3, axis=-1
      )
      y = nn.LayerNorm(use_bias=False, use_scale=False)(h)
      y = nn.gelu(dense(self.factor * self.width)(y * (1 + scale) + shift))
      h = h + (1 + gate) * dense(self.width)(y)
    scale, shift = jnp.split(
      dense(2 * self.width, kernel_init=zeros)(c), 2, axis=-1
    )
    h = nn.LayerNorm(use_bias=False, use_scale=False)(h) * (1 + scale) + shift
    return dense(x.shape[-1], kernel_init=zeros)(h)


class CompositionNet(nn.Module):
  """Elements of a formula, one after another, and their numbers of atoms.

  The elements come in the order of `element_order`. Each step sees the counts
  so far and how many atoms remain. A formula ends when no atom remains.

  Attributes:
    max_atoms: Largest number of atoms in a cell.
    width: Channels.
  """

  max_atoms: int
  width: int = 256

  @nn.compact
  def __call__(
    self,
    counts_so_far: Float[Array, 'B E'],
    total: Int[Array, 'B'],
    element: Int[Array, 'B'],
    features: Float[Array, 'B F'],
  ) -> tuple[Float[Array, 'B N'], Float[Array, 'B E'], Float[Array, 'B N']]:
    """Logits of (total atoms, next element, atoms of that element).

    Class k of the first and of the last means k + 1 atoms.

    Args:
      counts_so_far: Atoms of each element chosen so far, in `element_order`.
      total: Number of atoms in the cell.
      element: Index in `element_order` of the next element, which the last
        logits belong to.
      features: Features of the other conditions.
    """
    width, max_atoms = self.width, self.max_atoms
    given = nn.Dense(width)(nn.gelu(nn.Dense(width)(features)))
    totals = nn.Dense(max_atoms)(nn.gelu(given))
    remaining = total - counts_so_far.sum(-1).astype(jnp.int32)
    x = jnp.concatenate(
      [
        counts_so_far / jnp.maximum(total, 1)[:, None],
        jnp.log1p(counts_so_far),
        (counts_so_far > 0).astype(counts_so_far.dtype),
        jax.nn.one_hot(total, max_atoms + 1),
        jax.nn.one_hot(remaining, max_atoms + 1),
      ],
      axis=-1,
    )
    h = nn.Dense(width)(x) + given
    for _ in range(2):
      y = nn.gelu(nn.Dense(width)(nn.LayerNorm()(h)))
      h = h + nn.Dense(width)(y)
    h = nn.LayerNorm()(h)
    next_element = nn.Dense(counts_so_far.shape[-1])(h)
    y = h + nn.Embed(counts_so_far.shape[-1], width)(element)
    atoms = nn.Dense(max_atoms)(nn.gelu(nn.Dense(width)(y)))
    return totals, next_element, atoms


@functools.cache
def element_order() -> Int[np.ndarray, 'E']:
  """Atomic numbers from metals to anions: by column, then by period."""
  numbers = range(1, elements.MAX_NUMBER + 1)
  key = {z: (float(elements.column(z)), elements.period(z)) for z in numbers}
  # Hydrogen: between the columns of nitrogen (29) and oxygen (30).
  key[1] = 29.5, 1
  return np.array(sorted(numbers, key=key.__getitem__), np.int32)


def _dot_of(operands: str):
  """The `dot_general` of dense layers with operands of a data type."""
  if operands == 'float32':
    return jax.lax.dot_general
  if operands != 'bfloat16':
    raise ValueError(f"Need {operands=} to be 'float32' or 'bfloat16'.")

  def dot(x, w, dimensions, precision=None, preferred_element_type=None):
    del dimensions, precision, preferred_element_type  # Always [B, I] @ [I, O].
    return _bfloat16_product(x, w)

  return dot


@jax.custom_vjp
def _bfloat16_product(x, w):
  """`x @ w` of bfloat16 operands, summed in float32.

  Three times as fast as float32 on processors with AMX. The gradient of `w` is
  computed in float32, because transposing a bfloat16 operand along the batch
  loses that speedup.
  """
  return _rounded_dot(x, w, 0)


def _rounded_dot(x, w, axis):
  return jax.lax.dot_general(
    x.astype(jnp.bfloat16),
    w.astype(jnp.bfloat16),
    (((1,), (axis,)), ((), ())),
    preferred_element_type=jnp.float32,
  )


def _forward(x, w):
  return _rounded_dot(x, w, 0), (x, w)


def _backward(saved, cotangent):
  x, w = saved
  return _rounded_dot(cotangent, w, 1), x.T @ cotangent


_bfloat16_product.defvjp(_forward, _backward)
