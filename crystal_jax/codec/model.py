"""A model: how crystals are shown to networks, and the networks.

`make_model` builds it from `config.model` alone, without data and without
parameters, so that a trained one is opened where its data set is not.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import ml_collections
import numpy as np

from crystal_jax import models
from crystal_jax.density import BoxGrid
from crystal_jax.models.networks import Networks
from crystal_jax.representation import Box, Cell, CodedBox, Representation
from crystal_jax.representation.channels import make_channels
from crystal_jax.structure.elements import UNIT_NUMBER, element_codes


@dataclasses.dataclass(frozen=True)
class Model:
  """A representation and networks that fit each other.

  Attributes:
    kind: Which of `KINDS` it is; its loss and its scores go by that.
    representation: Crystals to inputs, outputs to crystals.
    networks: Inputs to latents to outputs.
  """

  kind: str
  representation: Representation
  networks: Networks


def make_model(config: ml_collections.ConfigDict) -> Model:
  """The model of `config.model`.

  Raises:
    ValueError: If fields are at odds, naming them.
  """
  kind = config.representation
  if kind not in KINDS:
    raise ValueError(
      f'Need model.representation={kind!r} to be one of {sorted(KINDS)}.'
    )
  return Model(kind, *KINDS[kind](config))


def make_box(
  config: ml_collections.ConfigDict,
) -> tuple[Box, models.BoxNetworks]:
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
  return representation, models.BoxNetworks(
    size=box.size, channels=channels, vae=vae, unet=unet, lattice_head=head
  )


def make_cell(
  config: ml_collections.ConfigDict,
) -> tuple[Cell, models.CellNetworks]:
  """Crystals in their own coordinates: `config.cell` and `.cell_vae`."""
  representation = Cell(**config.cell)
  vae = models.TokenVAE(
    size=config.cell.size,
    channels=representation.input_shapes['density'][-1],
    dtype=jnp.dtype(config.dtype),
    **config.cell_vae,
  )
  return representation, models.CellNetworks(vae)


def make_coded_box(
  config: ml_collections.ConfigDict,
) -> tuple[CodedBox, models.CodedBoxNetworks]:
  """The box told by element codes: `config.box` and `.coded_vae`."""
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
  told = not representation.box.repeats
  return representation, models.CodedBoxNetworks(vae, head, told)


# Each makes a representation and its networks. To add a kind: an entry here,
# in `training.run.LOSSES` and in `evaluation.evaluate.KINDS`.
KINDS: dict[str, Callable[..., tuple[Representation, Networks]]] = {
  'box': make_box,
  'cell': make_cell,
  'coded_box': make_coded_box,
}
