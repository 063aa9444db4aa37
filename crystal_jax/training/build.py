"""Grids, channels and networks of a config."""

import jax.numpy as jnp
import ml_collections
import numpy as np

from crystal_jax import elements, models
from crystal_jax.density.grids import BoxGrid, CellGrid, Grid
from crystal_jax.training import steps

# Of the density inside the networks: a lone atom of this number peaks at one.
_UNIT_NUMBER = 30.0


def make_grid(config: ml_collections.ConfigDict) -> Grid:
  """The grid of `config.grid`."""
  if config.kind == 'box':
    return BoxGrid(length=config.length, size=config.size)
  if config.kind == 'cell':
    return CellGrid(size=config.size)
  raise ValueError(f"Need grid.kind={config.kind!r} to be 'box' or 'cell'.")


def make_channels(kind: str) -> tuple[tuple[float, ...], ...]:
  """What each element contributes to each channel; channel 0 is Z itself."""
  if kind == 'number':
    return tuple((float(number),) for number in range(95))
  if kind == 'elements':
    table = _UNIT_NUMBER * elements.channel_table()
    return tuple(tuple(map(float, row)) for row in table)
  raise ValueError(f"Need data.channels={kind!r} to be 'number' or 'elements'.")


def make_networks(config: ml_collections.ConfigDict) -> steps.Networks:
  """The networks of `config`, those that `train.networks` names."""
  trained = config.train.networks
  if trained not in ('vae', 'unet', 'both'):
    raise ValueError(f"Need {trained=} to be 'vae', 'unet' or 'both'.")
  if config.lattice_head.enabled and trained == 'unet':
    raise ValueError('lattice_head.enabled needs train.networks with a VAE.')
  common = dict(
    scale=_UNIT_NUMBER * (2 * np.pi * config.grid.sigma**2) ** -1.5,
    padding='circular' if config.grid.kind == 'cell' else 'replicate',
    dtype=jnp.dtype(config.train.dtype),
  )
  vae = unet = head = None
  if trained != 'unet':
    vae = models.VAE(
      size=config.grid.size,
      channels=len(make_channels(config.data.channels)[0]),
      **config.vae,
      **common,
    )
    if config.lattice_head.enabled:
      head = models.LatticeHead(config.lattice_head.width, common['dtype'])
  if trained != 'vae':
    # Of a cell the size differs; 6 Å is the median cube root of the volume.
    length = config.grid.length if config.grid.kind == 'box' else 6.0
    sigma_voxels = config.grid.sigma * config.grid.size / length
    unet = models.UNet(sigma_voxels=sigma_voxels, **config.unet, **common)
  return steps.Networks(vae=vae, unet=unet, lattice_head=head)
