"""The training step: one for the VAE, the U-Net, and both together.

The networks differ only in what `predict` runs and which terms `loss_terms`
adds; the loop, the optimizer and the checkpoints are the same.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, PyTree

from crystal_jax.models import VAE, LatticeHead, UNet
from crystal_jax.models.unet import NUM_CLASSES
from crystal_jax.models.vae import latent_noise, sample_latent
from crystal_jax.training import losses, metrics
from crystal_jax.training.examples import ExampleMaker, Examples
from crystal_jax.training.parallel import AXIS
from crystal_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Networks:
  """The networks that are trained; those that are not are None.

  A U-Net beside a VAE reads the VAE's reconstruction; a U-Net alone reads true
  densities.
  """

  vae: VAE | None = None
  unet: UNet | None = None
  lattice_head: LatticeHead | None = None

  def init(self, key: Array, density: Array) -> PyTree:
    """Parameters of each network, from the shape of one density."""
    keys = jax.random.split(key, 3)
    params = {}
    if self.vae is not None:
      noise = jnp.zeros((len(density), *self.vae.latent_shape))
      params['vae'] = self.vae.init(keys[0], density, noise)
      if self.lattice_head is not None:
        params['lattice_head'] = self.lattice_head.init(keys[1], noise)
    if self.unet is not None:
      params['unet'] = self.unet.init(keys[2], density)
    return params

  def predict(
    self,
    params: PyTree,
    density: Array,
    noise: Array | None = None,
    gamma: float = 1.0,
    voxels: Array | None = None,
  ) -> dict[str, Array]:
    """Everything the networks say of a density.

    Args:
      params: What `init` returns.
      density: [B, G, G, G, C].
      noise: Drawn for the latent; None: its mean is used.
      gamma: Share of the U-Net's gradient that reaches the VAE.
      voxels: Where species are asked for; None: everywhere.

    Returns:
      Of these what there are networks for: `mean`, `log_var`, `density`,
      `logits`, `lattice`.
    """
    outputs = {'density': density}
    if self.vae is not None:
      mean, log_var = self.vae.apply(
        params['vae'], density, method=self.vae.encode
      )
      z = mean if noise is None else sample_latent(mean, log_var, noise)
      decoded = self.vae.apply(params['vae'], z, method=self.vae.decode)
      outputs |= {'mean': mean, 'log_var': log_var, 'density': decoded}
      if self.lattice_head is not None:
        outputs['lattice'] = self.lattice_head.apply(params['lattice_head'], z)
    if self.unet is not None:
      seen = losses.scale_gradient(outputs['density'], gamma)
      outputs['logits'] = self.unet.apply(params['unet'], seen, voxels)
    return outputs


@dataclasses.dataclass(frozen=True)
class LossWeights:
  """How the terms of the loss add up.

  Attributes:
    beta: Of the KL, which is summed over the latent.
    beta_warmup: Steps over which beta rises from zero.
    free_bits: Nats each latent number may carry at no cost.
    gamma: Share of the species loss that trains the VAE.
    species: 'cross_entropy' or 'bce'.
    balance: Power of the class weights; see `losses.class_weights`.
    lattice: Of the lattice head's error.
    species_voxels: Random voxels that the species loss looks at in a step,
      the same in every example; 0: all.
  """

  beta: float
  beta_warmup: int
  free_bits: float
  gamma: float
  species: str
  balance: float
  lattice: float
  species_voxels: int

  def __post_init__(self):
    if self.species not in ('cross_entropy', 'bce'):
      raise ValueError(f"Need {self.species=} to be 'cross_entropy' or 'bce'.")


def loss_terms(
  networks: Networks,
  weights: LossWeights,
  outputs: dict[str, Array],
  examples: Examples,
  labels: Array,
  batch: dict[str, Array],
  step: Array,
) -> dict[str, tuple[Array, Array]]:
  """Each term of the loss as a sum over this device's examples and a count.

  The counts hold for all devices. The first element is weighted already.
  """
  valid = examples.valid
  count = jnp.maximum(lax.psum(valid.sum(), AXIS), 1.0)
  terms = {}
  if networks.vae is not None:
    each = losses.reconstruction(
      outputs['density'], examples.density, networks.vae.scale
    )
    terms['reconstruction'] = (each * valid).sum(), count
    ramp = jnp.minimum(1.0, (step + 1) / max(weights.beta_warmup, 1))
    each = losses.kl(outputs['mean'], outputs['log_var'], weights.free_bits)
    terms['kl'] = weights.beta * ramp * (each * valid).sum(), count
  if 'lattice' in outputs:
    each = losses.lattice(outputs['lattice'], batch['lattice'])
    terms['lattice'] = weights.lattice * (each * valid).sum(), count
  if 'logits' in outputs and weights.species == 'bce':
    each = losses.binary_cross_entropy(outputs['logits'], labels)
    terms['species'] = (each * valid).sum(), count
  elif 'logits' in outputs:
    counts = losses.class_counts(labels, valid, NUM_CLASSES)
    counts = lax.psum(counts, AXIS)
    shares = losses.class_weights(counts, weights.balance)
    each = losses.cross_entropy(outputs['logits'], labels, shares)
    terms['species'] = (each * valid).sum(), jnp.sum(shares * counts)
  return terms


def make_train_step(
  networks: Networks,
  weights: LossWeights,
  examples: ExampleMaker,
  optimizer: optax.GradientTransformation,
  ema_decay: float,
) -> Callable[[TrainState, dict], tuple[TrainState, dict]]:
  """A step to be run under `parallel_train_step`."""

  def train_step(state, batch):
    step_key = jax.random.fold_in(state.key, state.step)
    place_key, noise_key, voxel_key = jax.random.split(step_key, 3)
    made = examples(place_key, batch)
    voxels, labels = None, made.labels
    if networks.unet is not None and weights.species_voxels:
      labels = labels.reshape(len(labels), -1)
      voxels = jax.random.choice(
        voxel_key, labels.shape[1], (weights.species_voxels,), replace=False
      )
      labels = labels[:, voxels]
    noise = None
    if networks.vae is not None:
      keys = jax.vmap(jax.random.fold_in, (None, 0))(noise_key, batch['index'])
      noise = latent_noise(keys, networks.vae.latent_shape)

    def loss_fn(params):
      outputs = networks.predict(
        params, made.density, noise, weights.gamma, voxels
      )
      terms = loss_terms(
        networks, weights, outputs, made, labels, batch, state.step
      )
      return sum(total / count for total, count in terms.values()), (
        outputs,
        terms,
      )

    (_, (outputs, terms)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
      state.params
    )
    # The loss is a sum over devices, so its gradient is one too.
    grads = lax.psum(grads, AXIS)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # Early on, the average forgets the start faster: (1 + t) / (10 + t).
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    ema = optax.incremental_update(params, state.ema, 1.0 - decay)
    sums = step_sums(outputs, made, labels, terms)
    sums['gradient_norm'] = optax.tree.norm(grads), jnp.float32(1.0)
    state = state.replace(
      step=state.step + 1, params=params, opt_state=opt_state, ema=ema
    )
    return state, sums

  return train_step


def make_loss_step(
  networks: Networks, weights: LossWeights, examples: ExampleMaker
) -> Callable[[PyTree, dict], dict]:
  """A step to be run under `parallel_eval_step`: metrics, nothing learnt.

  Takes `{'params', 'key', 'step'}` and a batch; the latent's mean is decoded.
  """

  def loss_step(variables, batch):
    made = examples(variables['key'], batch)
    outputs = networks.predict(variables['params'], made.density)
    terms = loss_terms(
      networks,
      weights,
      outputs,
      made,
      made.labels,
      batch,
      variables['step'],
    )
    return step_sums(outputs, made, made.labels, terms)

  return loss_step


def step_sums(
  outputs: dict[str, Array],
  examples: Examples,
  labels: Array,
  terms: dict[str, tuple[Array, Array]],
) -> metrics.Sums:
  """What a step reports, summed over all devices."""
  devices = lax.psum(1, AXIS)
  sums = {
    f'loss_{name}': (total, count / devices)
    for name, (total, count) in terms.items()
  }
  valid = examples.valid
  sums |= metrics.density_sums(outputs['density'], examples.density, valid)
  if 'logits' in outputs:
    predicted = outputs['logits'].argmax(-1)
    sums |= metrics.species_sums(predicted, labels, valid)
  sums['overflowed'] = examples.overflowed.sum(), jnp.float32(1.0 / devices)
  return lax.psum(sums, AXIS)


def make_eval_step(
  networks: Networks, examples: ExampleMaker
) -> Callable[[PyTree, dict], tuple[dict, Examples]]:
  """A step to be run under `parallel_eval_step`.

  Takes `{'params', 'key'}` and a batch; the latent's mean is decoded.
  """

  def eval_step(variables, batch):
    made = examples(variables['key'], batch)
    return networks.predict(variables['params'], made.density), made

  return eval_step
