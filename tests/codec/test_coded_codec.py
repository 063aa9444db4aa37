"""A codec of the coded box: crystals there and back, saved and loaded."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec.codec import Codec
from crystal_jax.evaluation import matching
from tests import codecs, crystals
from tests.representation.test_coded_box import make


@pytest.mark.slow
def test_a_single_cell_comes_back_however_it_is_written():
  box = make('single_cell', size=24, length=8.0)
  model = codecs.perfect_model('coded_box', box)
  codec = Codec(model, {}, {'elements': None})
  crystal, long = crystals.bcc(), crystals.silicate()
  atoms = crystal.to_ase().repeat((1, 2, 1))
  atoms.rotate(40, (1, 2, 3), rotate_cell=True)
  found = codec.reconstruct([crystal, cj.Crystal.from_ase(atoms), long])
  assert found[2] is None and 'from the centre' in codec.failures[2]
  compared = matching.compare(
    [crystal] * 2, found[:2], workers=0, progress=False
  )
  assert all(c.strict for c in compared)


@pytest.mark.slow
@pytest.mark.parametrize('vector', [0, 5])
def test_saved_and_loaded_it_is_the_same(tmp_path, vector):
  codec = codecs.untrained('coded_box', vector=vector)
  crystal = crystals.perovskite()
  z = codec.encode(crystal)
  assert z.shape == (1, vector or 8 * 4)
  codec.save(tmp_path / 'mine', dtype='float32')
  again = Codec.load(tmp_path / 'mine')
  np.testing.assert_array_equal(again.encode(crystal), z)
  # What has learnt nothing decodes to anything, but both to the same.
  (expected,), (found,) = (c.decode(z, refine='none') for c in (codec, again))
  assert codec.failures == again.failures
  assert (expected is None) == (0 in codec.failures)
  if expected is not None:
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-5)
