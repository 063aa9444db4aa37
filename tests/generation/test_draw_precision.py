"""Float32 matrix products of draws are exact on accelerators too."""

import jax.numpy as jnp
import pytest

from crystal_jax.generation import composition_model, integration
from crystal_jax.generation import conditions as conditions_lib
from tests import precision
from tests.generation import priors


@pytest.mark.parametrize('guided', [False, True])
def test_products_of_the_velocity_are_of_full_precision(guided):
  prior = priors.untrained()
  given = conditions_lib.unconditional(2, 1)
  precision.check_products(
    integration._integrate.lower(
      prior.networks,
      prior.params,
      jnp.zeros((2, 6)),
      given,
      jnp.float32(0),
      jnp.float32(1),
      steps=2,
      guided=guided,
    )
  )


def test_products_of_composition_logits_are_of_full_precision():
  prior = priors.untrained()
  given = conditions_lib.unconditional(2, 1)
  ones = jnp.ones(2, int)
  precision.check_products(
    composition_model._logits.lower(
      prior.networks, prior.params, given.counts, ones, ones, given
    )
  )
