"""The flow of Gaussian data, whose velocity is known."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from crystal_jax.generation import conditions as conditions_lib
from crystal_jax.generation import integration
from crystal_jax.models.standardization import Standardization

MEAN, SCALE = 1.5, 0.4


@dataclasses.dataclass(frozen=True)
class Gaussian:
  """Data of N(MEAN, SCALE²); of no composition N(0, 1), which stands still."""

  properties = ()

  def velocity(self, params, x, time, given):
    t = time[:, None]
    spread = jnp.square(t * SCALE) + jnp.square(1 - t)
    slope = (t * SCALE**2 - (1 - t)) / spread
    conditioned = MEAN + slope * (x - t * MEAN)
    still = (2 * t - 1) / (jnp.square(t) + jnp.square(1 - t)) * x
    return jnp.where(given.counts.any(1, keepdims=True), conditioned, still)

  def latent_statistics(self, params):
    return Standardization(jnp.zeros(4), jnp.full(4, 2.0))


def conditions(number):
  none = conditions_lib.unconditional(number, 0)
  given = none._replace(counts=none.counts + 1)
  return conditions_lib.Conditions(*map(np.asarray, given))


def test_noise_goes_to_the_data():
  start = integration.noise(0, np.arange(100), 4)
  z = integration.integrate(Gaussian(), {}, start, conditions(100), steps=40)
  np.testing.assert_allclose(z, 2 * (MEAN + SCALE * start), atol=0.02)


def test_the_method_is_of_second_order():
  start = integration.noise(0, np.arange(8), 4)
  exact = 2 * (MEAN + SCALE * start)
  errors = [
    np.abs(
      integration.integrate(Gaussian(), {}, start, conditions(8), steps=n)
      - exact
    ).max()
    for n in (10, 20)
  ]
  assert errors[1] < errors[0] / 3


def test_integration_from_half_time():
  noise = integration.noise(0, np.arange(8), 4)
  half = 0.5 * (MEAN + SCALE * noise) + 0.5 * noise  # Where noise is by then.
  whole = integration.integrate(Gaussian(), {}, noise, conditions(8), steps=80)
  path = MEAN * 0.5 + np.sqrt((0.5 * SCALE) ** 2 + 0.25) * noise
  z = integration.integrate(
    Gaussian(), {}, path, conditions(8), begin=0.5, steps=40
  )
  np.testing.assert_allclose(z, whole, atol=0.02)
  assert not np.allclose(half, path)


def test_guidance_counts_the_difference():
  start = integration.noise(0, np.arange(8), 4)
  one = integration.integrate(Gaussian(), {}, start, conditions(8), steps=16)
  more = integration.integrate(
    Gaussian(), {}, start, conditions(8), guidance=2.0, steps=16
  )
  assert more.mean() > one.mean() + 0.5
  none = integration.integrate(
    Gaussian(), {}, start, conditions(8), guidance=0.0, steps=16
  )
  np.testing.assert_allclose(none, 2 * start, atol=0.05)


def test_no_draw_depends_on_the_others():
  all_noise = integration.noise(3, np.arange(130), 4)
  np.testing.assert_array_equal(
    integration.noise(3, np.arange(5), 4), all_noise[:5]
  )
  z = integration.integrate(Gaussian(), {}, all_noise, conditions(130), steps=4)
  few = integration.integrate(
    Gaussian(), {}, all_noise[:5], conditions(5), steps=4
  )
  np.testing.assert_array_equal(few, z[:5])
  assert integration.noise(4, np.arange(2), 4)[0] != pytest.approx(all_noise[0])
