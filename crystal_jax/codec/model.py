"""A model: a representation of crystals, and networks that fit it.

`make_model` builds one from `config.model` alone, without data and without
parameters, so that a trained model can be loaded where its data set is not.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax import models
from crystal_jax.density import BoxGrid
from crystal_jax.density.precision import full_precision
from crystal_jax.models.networks import Networks, Predictor
from crystal_jax.representation import Box, Cell, CodedBox, Representation
from crystal_jax.representation.channels import make_channels
from crystal_jax.representation.peak_config import PeakConfig
from crystal_jax.structure.elements import UNIT_NUMBER, element_codes

R = TypeVar('R', bound=Representation, covariant=True)
N = TypeVar('N', bound=Predictor, covariant=True)


class Posterior(NamedTuple):
  """The Gaussian posteriors of a batch.

  Attributes:
    mean: Means, one flat latent per example.
    log_var: Logarithms of the variances.
    valid: 1, or 0 for padding and for crystals that cannot be encoded.
  """

  mean: Float[Array, 'B D']
  log_var: Float[Array, 'B D']
  valid: Float[Array, 'B']


@dataclasses.dataclass(frozen=True)
class Model(Generic[R, N]):
  """A representation and networks that fit each other. Static.

  Attributes:
    kind: Name in `MAKERS`, which a codec's card states, or of the task.
    representation: Makes inputs of crystals, and crystals of outputs.
    networks: Networks from inputs to outputs; `Networks` in a codec.
  """

  kind: str
  representation: R
  networks: N

  @property
  def latent_size(self: Model[Representation, Networks]) -> int:
    """Length D of a flat latent."""
    return int(np.prod(self.networks.latent_shape))

  def encode_arrays(
    self: Model[Representation, Networks],
    params: PyTree,
    batch: Mapping[str, Array],
  ) -> Posterior:
    """Posteriors of a batch of prepared crystals. Pure and traceable.

    Args:
      params: Parameters, as returned by `networks.init`.
      batch: Columns of `representation.prepare`, and index, sample and mask;
        see `Representation.examples`. Nothing is random.
    """
    with full_precision():
      examples = self.representation.examples(None, batch)
      mean, log_var = self.networks.encode(params, examples.inputs)
    flat = len(mean), -1
    return Posterior(
      mean.reshape(flat).astype(jnp.float32),
      log_var.reshape(flat).astype(jnp.float32),
      examples.valid,
    )

  def decode_arrays(
    self: Model[Representation, Networks],
    params: PyTree,
    z: Float[Array, 'B D'],
  ) -> dict[str, Array]:
    """Outputs of flat latents, by name. Pure and traceable.

    `representation.crystals` reads crystals from them, on the host.
    """
    z = z.reshape(len(z), *self.networks.latent_shape)
    with full_precision():
      return self.networks.decode(params, z)


@functools.partial(jax.jit, static_argnames='model')
def encode_batch(
  model: Model, params: PyTree, batch: Mapping[str, Array]
) -> Posterior:
  """`Model.encode_arrays`, compiled once for each model and shape."""
  return model.encode_arrays(params, batch)


@functools.partial(jax.jit, static_argnames='model')
def decode_batch(
  model: Model, params: PyTree, z: Float[Array, 'B D']
) -> dict[str, Array]:
  """`Model.decode_arrays`, compiled once for each model and shape."""
  return model.decode_arrays(params, z)


def make_model(config: ml_collections.ConfigDict) -> Model:
  """The model of `config.model`.

  Raises:
    ValueError: If `representation` is unknown, or fields contradict each other.
  """
  kind = config.representation
  if kind not in MAKERS:
    raise ValueError(
      f'Need model.representation={kind!r} to be one of {sorted(MAKERS)}.'
    )
  return MAKERS[kind](config)


def make_box(
  config: ml_collections.ConfigDict,
) -> Model[Box, models.BoxNetworks]:
  """The paper's system: `config.box`, `.vae`, `.unet` and `.lattice_head`."""
  box, trained = config.box, config.networks
  if trained not in ('vae', 'unet', 'both'):
    raise ValueError(
      f"Need model.networks={trained!r} to be 'vae', 'unet' or 'both'."
    )
  if config.lattice_head.enabled and trained == 'unet':
    raise ValueError('model.lattice_head.enabled needs a VAE.')
  representation = Box(
    grid=BoxGrid(length=box.length, size=box.size),
    sigma=box.sigma,
    radius=box.label_radius,
    filling=box.filling,
    turn=box.turn,
    channels=make_channels(box.channels),
    lattice=config.lattice_head.enabled,
    max_images=box.max_images,
    max_decoded=box.max_decoded,
  )
  channels = len(representation.channels[0])
  dtype = jnp.dtype(config.dtype)
  peak = (2 * np.pi * box.sigma**2) ** -1.5
  vae = unet = head = None
  if trained != 'unet':
    vae = models.VAE(
      size=box.size,
      channels=channels,
      scale=UNIT_NUMBER * peak,
      dtype=dtype,
      **config.vae,
    )
    if config.lattice_head.enabled:
      head = models.LatticeHead(config.lattice_head.width, dtype)
  if trained != 'vae':
    unet = models.UNet(
      peak=peak,
      sigma_voxels=box.sigma * box.size / box.length,
      dtype=dtype,
      **config.unet,
    )
  networks = models.BoxNetworks(
    size=box.size, channels=channels, vae=vae, unet=unet, lattice_head=head
  )
  return Model('box', representation, networks)


def make_cell(
  config: ml_collections.ConfigDict,
) -> Model[Cell, models.CodedNetworks]:
  """Crystals in fractional coordinates: `config.cell` and `.cell_vae`.

  `config.cell.peaks`, in a codec's card, has the fields in which its
  `PeakConfig` differs from the defaults, which were tuned on mp_20.
  """
  fields = dict(config.cell)
  peaks = PeakConfig.of(fields.pop('peaks', {}))
  representation = Cell(**fields, peaks=peaks)
  options = dict(config.cell_vae)
  # Cards of earlier codecs do not have these fields.
  lattice = models.InLatent(options.pop('conditioned', False))
  heads = models.PropertyHeads(tuple(config.get('properties', ())))
  vae = models.TokenVAE(
    size=config.cell.size,
    channels=representation.input_shapes['density'][-1],
    dtype=jnp.dtype(config.dtype),
    **options,
  )
  networks = models.CodedNetworks(vae, lattice, heads)
  return Model('cell', representation, networks)


def make_coded_box(
  config: ml_collections.ConfigDict,
) -> Model[CodedBox, models.CodedNetworks]:
  """Element codes in a box of space: `config.box` and `.coded_vae`."""
  box, options = config.box, dict(config.coded_vae)
  codes = element_codes()
  representation = CodedBox(
    Box(
      grid=BoxGrid(length=box.length, size=box.size),
      sigma=box.sigma,
      radius=box.label_radius,
      filling=box.filling,
      turn=False,
      channels=tuple(tuple(map(float, row)) for row in codes),
      lattice=False,
      max_images=box.max_images,
      max_decoded=box.max_decoded,
    )
  )
  dtype = jnp.dtype(config.dtype)
  head = models.TokenLatticeHead(options.pop('head_width'), dtype)
  vae = models.TokenVAE(
    size=box.size, channels=codes.shape[1], dtype=dtype, **options
  )
  # The density of a single cell has no lattice, so the encoder gets it.
  lattice = models.Head(head, conditioned=not representation.box.repeats)
  return Model('coded_box', representation, models.CodedNetworks(vae, lattice))


# Makers of the models that a codec can load, by `config.representation`. Tasks
# in `crystal_jax.tasks` refer to these.
MAKERS: dict[str, Callable[[ml_collections.ConfigDict], Model]] = {
  'box': make_box,
  'cell': make_cell,
  'coded_box': make_coded_box,
}
