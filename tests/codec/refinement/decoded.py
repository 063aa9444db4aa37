"""Decoded crystals and target latents of an untrained codec.

An untrained encoder distinguishes crystals as well as a trained one.
"""

import functools

import jax
import numpy as np

import crystal_jax as cj
from crystal_jax.codec import batching
from crystal_jax.codec.refinement import Encoder
from crystal_jax.codec.refinement.gauss_newton import Target
from tests import codecs


def make_codec(representation):
  """An untrained codec and its encoder."""
  codec = codecs.untrained(representation)
  model = codec._model
  return codec, Encoder(model.representation, model.networks, codec._params)


@functools.partial(jax.jit, static_argnums=0)
def _examples(representation, batch):
  return representation.examples(None, batch)


def as_decoded(codec, crystal):
  """The crystal in the frame of decoded crystals, without any error."""
  representation, columns = batching.one_batch(
    codec._model.representation, [crystal]
  )
  targets = _examples(representation, columns).targets
  cell = columns['cell'][0]
  if 'fractional' in columns:
    positions = columns['fractional'][0] @ cell
  else:
    positions, cell = targets['positions'][0], targets['cell'][0]
  filled = columns['numbers'][0] > 0
  numbers = columns['numbers'][0][filled]
  cartesian = np.asarray(positions, np.float64)[filled]
  return cj.Crystal(numbers, cartesian, np.asarray(cell, np.float64))


def target_of(codec, crystal, noise=0.0):
  """The posterior mean of a crystal as a target; 1 of noise: a sample."""
  z, std = codec.encode(crystal, std=True)
  deviate = np.random.default_rng(0).normal(size=z.shape)
  lattice = not codec._model.representation.lattice_is_exact
  return Target(z[0] + (noise * deviate * std)[0], std[0], lattice)


def perturbed(crystal, sigma=0.05):
  """The crystal with normal noise of `sigma`, Å, in its positions."""
  rng = np.random.default_rng(3)
  noise = rng.normal(0, sigma, crystal.positions.shape)
  return cj.Crystal(crystal.numbers, crystal.positions + noise, crystal.cell)
