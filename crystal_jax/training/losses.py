"""Losses of the paper, one number for each example.

L_VAE = L_RE(M̂, M) + β KL(q(z|M) ‖ N(0, I)) + γ L(Ŝ, S) and L_UNet = L(Ŝ, S)
of Hoffmann et al. (arXiv:1909.00949). The caller sums over examples and divides
by a count once, so that the loss does not depend on the number of devices.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


def reconstruction(
  predicted: Float[Array, 'B G G G C'],
  density: Float[Array, 'B G G G C'],
  scale: float,
) -> Float[Array, 'B']:
  """Mean squared error over voxels, in units of `scale` (weight per Å³)."""
  error = (predicted - density) / scale
  return jnp.mean(jnp.square(error), axis=(1, 2, 3, 4))


def kl(
  mean: Float[Array, 'B *L'],
  log_var: Float[Array, 'B *L'],
  free_bits: float = 0.0,
) -> Float[Array, 'B']:
  """KL(N(mean, exp(log_var)) ‖ N(0, I)) in nats, summed over the latent.

  Args:
    mean: Mean of q(z|M).
    log_var: Logarithm of its variance.
    free_bits: KL of each latent number that costs nothing, nats
      (arXiv:1606.04934, section 3.2); prevents collapse of the posterior.
  """
  each = 0.5 * (jnp.square(mean) + jnp.exp(log_var) - 1.0 - log_var)
  each = jnp.maximum(each, free_bits)
  return jnp.sum(each.reshape(len(each), -1), axis=-1)


def class_counts(
  labels: Int[Array, 'B *V'], valid: Float[Array, 'B'], num_classes: int
) -> Float[Array, 'K']:
  """Number of voxels of the valid examples with each class."""
  valid = valid.reshape(-1, *[1] * (labels.ndim - 1))
  weights = jnp.broadcast_to(valid, labels.shape)
  return jnp.zeros(num_classes).at[labels.ravel()].add(weights.ravel())


def class_weights(
  counts: Float[Array, 'K'], balance: float
) -> Float[Array, 'K']:
  """Weight of each class, count^-balance.

  balance 0: equal weights of voxels; 1: equal weights of classes.

  Most voxels are background; without weights, predicting background everywhere
  is a good local minimum.
  """
  return jnp.where(counts > 0, jnp.maximum(counts, 1.0) ** -balance, 0.0)


def cross_entropy(
  logits: Float[Array, 'B *V K'],
  labels: Int[Array, 'B *V'],
  weights: Float[Array, 'K'],
) -> Float[Array, 'B']:
  """Weighted softmax cross entropy, summed over voxels.

  Divide by `sum(weights * counts)` for the weighted mean.
  """
  each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  return jnp.sum((each * weights[labels]).reshape(len(each), -1), axis=-1)


def binary_cross_entropy(
  logits: Float[Array, 'B *V K'], labels: Int[Array, 'B *V']
) -> Float[Array, 'B']:
  """Binary cross entropy, a mean over classes and voxels: the paper's L."""
  targets = jax.nn.one_hot(labels, logits.shape[-1])
  each = optax.sigmoid_binary_cross_entropy(logits, targets)
  return jnp.mean(each.reshape(len(each), -1), axis=-1)


def lattice(
  predicted: Float[Array, 'B 6'], target: Float[Array, 'B 6']
) -> Float[Array, 'B']:
  """Mean squared error of scaled lengths (Å) and cosines."""
  return jnp.mean(jnp.square(predicted - target), axis=-1)
