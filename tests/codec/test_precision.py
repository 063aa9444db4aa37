"""Float32 matrix products of a codec are exact on accelerators too."""

import jax
import jax.numpy as jnp
import pytest

from crystal_jax.codec.model import decode_batch, encode_batch
from crystal_jax.codec.refinement import encoder
from crystal_jax.representation import occupancy_peaks
from tests import codecs, crystals


def products(lowered):
  """Lines of all matrix products of a lowered function."""
  lines = lowered.as_text().splitlines()
  return [line for line in lines if 'dot_general' in line]


@pytest.mark.parametrize('kind', ['cell', 'coded_box'])
def test_products_of_a_codec_are_of_full_precision(kind):
  codec = codecs.untrained(kind)
  model, batch = codec.to_arrays([crystals.perovskite()])
  z = jnp.zeros((1, codec.size))
  atoms = {
    'codes': jnp.zeros((1, 24, 12)),
    'positions': jnp.zeros((1, 24, 3)),
    'cell': 4 * jnp.eye(3)[None],
  }
  one = {name: leaf[0] for name, leaf in atoms.items()}
  networks = model.representation, model.networks, codec.params
  deviations = jnp.ones(codec.size)
  for lowered in (
    encode_batch.lower(model, codec.params, batch),
    decode_batch.lower(model, codec.params, z),
    encoder._latents.lower(*networks, atoms),
    encoder._gauss_newton_step.lower(*networks, one, z[0], deviations, 3),
  ):
    lines = products(lowered)
    assert lines
    assert all('HIGHEST, HIGHEST' in line for line in lines)


def test_products_of_the_readout_are_of_full_precision():
  field = jax.ShapeDtypeStruct((2, 16, 16, 16), jnp.float32)
  lines = products(occupancy_peaks.find_peaks.lower(field, sigma=0.9, slots=8))
  assert lines
  assert all('HIGHEST, HIGHEST' in line for line in lines)
