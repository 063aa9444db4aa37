"""Float32 matrix products of a codec are exact on accelerators too."""

import jax
import jax.numpy as jnp
import pytest

from crystal_jax.codec.model import decode_batch, encode_batch
from crystal_jax.codec.refinement import derivatives
from crystal_jax.representation import (
  counted_atoms,
  occupancy_peaks,
  separation,
)
from crystal_jax.representation.separation import Separation
from tests import codecs, crystals, precision


@pytest.mark.parametrize(
  'kind', ['cell', pytest.param('coded_box', marks=pytest.mark.slow)]
)
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
    derivatives.latents.lower(*networks, atoms),
    derivatives.gauss_newton_step.lower(*networks, one, z[0], deviations, 3),
  ):
    precision.check_products(lowered)


def test_products_of_the_readout_are_of_full_precision():
  field = jax.ShapeDtypeStruct((2, 16, 16, 16), jnp.float32)
  precision.check_products(
    occupancy_peaks.find_peaks.lower(field, sigma=0.9, slots=8)
  )


def test_products_of_known_compositions_are_of_full_precision():
  field = jnp.zeros((2, 16, 16, 16))
  cells = jnp.zeros((2, 3, 3))
  precision.check_products(
    counted_atoms.find_counted.lower(
      field,
      jnp.zeros(2, int),
      Separation(cells, jnp.zeros(2)),
      sigma=0.9,
      slots=8,
    )
  )
  precision.check_products(
    separation.separate.lower(
      jnp.zeros((2, 8, 3)),
      jnp.zeros((2, 8), bool),
      Separation(cells, jnp.zeros((2, 8, 8))),
    )
  )
