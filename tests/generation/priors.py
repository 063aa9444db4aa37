"""A prior that has learnt nothing, for tests: made and compiled in seconds."""

import functools

import jax

from crystal_jax.generation.loading import Prior
from crystal_jax.generation.prior import PriorNetworks

SMALL = {
  'width': 16,
  'blocks': 1,
  'condition_width': 8,
  'composition_width': 16,
}


def networks(size=6, max_atoms=20, properties=('energy',), **options):
  return PriorNetworks(
    latent_size=size,
    max_atoms=max_atoms,
    properties=properties,
    **(SMALL | options),
  )


def untrained(size=6, fingerprint='f', **options):
  made, params = _fresh(size, **options)
  return Prior(made, params, {'codec': fingerprint})


@functools.cache
def _fresh(size, **options):
  """Networks and their parameters, made and compiled once."""
  made = networks(size, **options)
  return made, jax.jit(made.init)(jax.random.key(0))
