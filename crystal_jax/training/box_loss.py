"""The paper's loss: reconstruction, KL, species, and a lattice.

L = L_RE(M̂, M) + β KL(q(z|M) ‖ N(0, I)) + γ L(Ŝ, S) for the VAE and L(Ŝ, S) for
the U-Net, of Hoffmann et al. (arXiv:1909.00949), trained together. Terms of
networks that the model lacks are left out.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.models import BoxNetworks
from crystal_jax.models.vae import latent_noise, sample_latent
from crystal_jax.representation import Box
from crystal_jax.structure.elements import NUM_CLASSES
from crystal_jax.training import losses, metrics
from crystal_jax.training.parallel import AXIS


@dataclasses.dataclass(frozen=True)
class LossWeights:
  """Weights of the terms, and settings of the species loss.

  Attributes:
    beta: Weight of the KL, which is summed over the latent.
    beta_warmup: Number of steps over which beta rises from zero.
    free_bits: KL of each latent number that costs nothing, nats.
    gamma: Share of the species loss's gradient that reaches the VAE.
    species: Species loss, 'cross_entropy' or 'bce'.
    balance: Exponent of the class weights; see `losses.class_weights`.
    lattice: Weight of the lattice head's error.
    species_sample_voxels: Number of random voxels in the species loss of a
      step, the same in all examples; 0: all voxels.
  """

  beta: float
  beta_warmup: int
  free_bits: float
  gamma: float
  species: str
  balance: float
  lattice: float
  species_sample_voxels: int

  def __post_init__(self):
    if self.species not in ('cross_entropy', 'bce'):
      raise ValueError(f"Need {self.species=} to be 'cross_entropy' or 'bce'.")


@dataclasses.dataclass(frozen=True)
class BoxLoss:
  """The loss of a box model; a `steps.Loss`.

  Attributes:
    model: Its representation and networks.
    weights: Weights of the terms.
    training: Whether to sample the latent, rotations and the voxels of the
      species loss. False: the posterior's mean is decoded, all voxels count.
  """

  model: Model[Box, BoxNetworks]
  weights: LossWeights
  training: bool

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss and further metrics; see `steps.Loss`."""
    networks, representation = self.model.networks, self.model.representation
    place_key, noise_key, voxel_key = key, None, None
    if self.training:
      place_key, noise_key, voxel_key = jax.random.split(key, 3)
    examples = representation.examples(place_key, batch)
    voxels, labels = None, examples.targets['labels']
    if (
      voxel_key is not None
      and networks.unet is not None
      and self.weights.species_sample_voxels
    ):
      labels = labels.reshape(len(labels), -1)
      voxels = jax.random.choice(
        voxel_key,
        labels.shape[1],
        (self.weights.species_sample_voxels,),
        replace=False,
      )
      labels = labels[:, voxels]
    mean, log_var = networks.encode(params, examples.inputs)
    z = mean
    if noise_key is not None and networks.vae is not None:
      keys = jax.vmap(jax.random.fold_in, (None, 0))(noise_key, batch['index'])
      noise = latent_noise(keys, networks.latent_shape)
      z = sample_latent(mean, log_var, noise)
    outputs = networks.decode(
      params, z, gamma=self.weights.gamma, voxels=voxels
    )
    terms = self._terms(outputs, mean, log_var, examples, labels, step)
    return terms, _sums(outputs, examples, labels, batch['mask'])

  def _terms(self, outputs, mean, log_var, examples, labels, step):
    networks, weights = self.model.networks, self.weights
    targets, valid = examples.targets, examples.valid
    terms, count = {}, valid.sum()
    if networks.vae is not None:
      each = losses.reconstruction(
        outputs['density'], targets['density'], networks.vae.scale
      )
      terms['reconstruction'] = (each * valid).sum(), count
      ramp = jnp.minimum(1.0, (step + 1) / max(weights.beta_warmup, 1))
      each = losses.kl(mean, log_var, weights.free_bits)
      terms['kl'] = weights.beta * ramp * (each * valid).sum(), count
    if 'lattice' in outputs:
      each = losses.lattice(outputs['lattice'], targets['lattice'])
      terms['lattice'] = weights.lattice * (each * valid).sum(), count
    if 'logits' in outputs and weights.species == 'bce':
      each = losses.binary_cross_entropy(outputs['logits'], labels)
      terms['species'] = (each * valid).sum(), count
    elif 'logits' in outputs:
      counts = losses.class_counts(labels, valid, NUM_CLASSES)
      # Class weights are those of the global batch.
      class_weights = losses.class_weights(
        lax.psum(counts, AXIS), weights.balance
      )
      each = losses.cross_entropy(outputs['logits'], labels, class_weights)
      terms['species'] = (each * valid).sum(), jnp.sum(class_weights * counts)
    return terms


def _sums(outputs, examples, labels, mask) -> metrics.Sums:
  """Metrics of the density and of the species."""
  targets, valid = examples.targets, examples.valid
  sums = metrics.density_sums(outputs['density'], targets['density'], valid)
  if 'logits' in outputs:
    predicted = outputs['logits'].argmax(-1)
    sums |= metrics.species_sums(predicted, labels, valid)
  # Crystals of a global batch with more than `max_images` images.
  overflowed = (mask - valid).sum()
  sums['overflowed'] = overflowed, jnp.float32(1.0 / lax.psum(1, AXIS))
  return sums
