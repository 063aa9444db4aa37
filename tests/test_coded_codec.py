"""A codec of the coded box: crystals there and back, saved and loaded."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import Codec
from crystal_jax.evaluation import matching
from crystal_jax.model import Model
from tests import codecs, crystals
from tests.representation.test_coded_box import make


@dataclasses.dataclass(frozen=True)
class Through:
  """Networks whose latent is what they see, and that know one lattice."""

  shape: tuple[int, ...]

  @property
  def latent_shape(self):
    return (int(np.prod(self.shape)),)

  def encode(self, params, inputs):
    z = inputs['density'].reshape(len(inputs['density']), -1)
    return z, jnp.full_like(z, -4.0)

  def decode(self, params, z):
    density = z.reshape(len(z), *self.shape)
    occupancy = density[..., 0]
    return {
      'occupancy': occupancy,
      'codes': density / jnp.maximum(occupancy, 1e-3)[..., None],
      'lattice': jnp.broadcast_to(jnp.log(4.0) * jnp.eye(6)[0], (len(z), 6)),
    }


def test_a_box_gives_crystals_back_whatever_their_lattice():
  box = make()
  networks = Through(box.input_shapes['density'])
  codec = Codec(Model('coded_box', box, networks), {}, {'elements': None})
  every = [make() for make in crystals.ALL]
  some = [c for c in every if np.linalg.norm(c.cell, axis=1).max() < 5.3]
  found = codec.reconstruct(some)
  assert codec.failures == {}
  compared = matching.compare(some, found, workers=0, progress=False)
  assert len(some) > 3 and all(c.strict for c in compared)


@pytest.mark.parametrize('vector', [0, 5])
def test_saved_and_loaded_it_is_the_same(tmp_path, vector):
  codec = codecs.untrained('coded_box', vector=vector)
  crystal = crystals.perovskite()
  z = codec.encode(crystal)
  assert z.shape == (1, vector or 8 * 4)
  codec.save(tmp_path / 'mine', dtype='float32')
  again = Codec.load(tmp_path / 'mine')
  np.testing.assert_array_equal(again.encode(crystal), z)
  (found,) = again.decode(z)
  assert isinstance(found, cj.Crystal) or again.failures[0]
