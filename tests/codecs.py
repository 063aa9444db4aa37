"""Codecs for tests: one that loses nothing, and one that has learnt nothing."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from crystal_jax.codec.card import make_card
from crystal_jax.codec.codec import Codec
from crystal_jax.codec.model import Model, make_model
from crystal_jax.representation.cell import Cell
from experiments import base
from tests import tiny_configs

# Voxels a side: coarse enough to be quick.
SIZE = 16


@dataclasses.dataclass(frozen=True)
class Through:
  """Networks whose latent is their inputs: a perfect autoencoder.

  Attributes:
    shape: Shape of the density, [G, G, G, C]; a lattice follows it.
  """

  shape: tuple[int, ...]

  @property
  def latent_shape(self):
    return (math.prod(self.shape) + 6,)

  def encode(self, params, inputs):
    parts = inputs['density'].reshape(len(inputs['lattice']), -1)
    z = jnp.concatenate([parts, inputs['lattice']], axis=1)
    return z, jnp.full_like(z, -4.0)

  def decode(self, params, z):
    density = z[:, :-6].reshape(len(z), *self.shape)
    occupancy = density[..., 0]
    return {
      'occupancy': occupancy,
      'codes': density / jnp.maximum(occupancy, 1e-3)[..., None],
      'lattice': z[:, -6:],
    }


def perfect_model(kind, representation):
  """A model that loses nothing."""
  shape = representation.input_shapes['density']
  return Model(kind, representation, Through(shape))


def through(elements=None):
  """A codec that gives every crystal back."""
  cell = Cell(size=SIZE, sigma=0.9, max_atoms=20, closest=1.0)
  return Codec(perfect_model('cell', cell), {}, {'elements': elements})


def tiny_config(representation='cell', vector=0, properties=()):
  """A model that is made and compiled in seconds."""
  config = base.get_config()
  tiny_configs.shrink(config.model)
  config.model.representation = representation
  config.model.properties = properties
  config.model.coded_vae.vector = vector
  return config


def untrained(representation='cell', elements=None, vector=0, properties=()):
  """A codec that has learnt nothing."""
  config, model, params = _fresh(representation, vector, properties)
  card = make_card(model, params, config, name='tiny', elements=elements)
  return Codec(model, params, card)


@functools.cache
def _fresh(representation, vector, properties):
  """A config, its model and parameters; made and compiled once."""
  config = tiny_config(representation, vector, properties)
  model = make_model(config.model)
  return config, model, jax.jit(model.networks.init)(jax.random.key(0))
