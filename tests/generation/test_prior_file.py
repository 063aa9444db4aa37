"""Prior files: what is written is read again, and what is wrong is named."""

import json

import jax
import numpy as np
import pytest

from crystal_jax.generation import prior_file
from tests.generation import priors


@pytest.fixture(scope='module')
def prior():
  return priors.untrained()


def write(folder, prior, **entries):
  card = {'codec': 'f', **entries}
  prior_file.write(folder, prior.networks, prior.params, card)


def edit_card(folder, **entries):
  path = folder / prior_file.CARD
  path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_what_is_written_is_read(prior, tmp_path):
  write(tmp_path, prior, steps=7)
  networks, params, card = prior_file.read(tmp_path, 'f')
  assert networks == prior.networks and card['steps'] == 7
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7),
    params,
    prior.params,
  )


def test_int8_kernels_are_within_half_a_step():
  kernel = np.random.default_rng(0).normal(size=(128, 1024)).astype(np.float32)
  stored = prior_file._quantize('k', kernel)
  assert stored['k'].dtype == np.int8
  error = np.abs(stored['k'] * stored['k/scale'] - kernel)
  assert (error <= 0.501 * stored['k/scale']).all()


def test_the_format_is_not_the_callers(prior, tmp_path):
  write(tmp_path, prior, format=99)
  assert prior_file.read(tmp_path)[2]['format'] == prior_file.FORMAT
  with pytest.raises(ValueError, match=r"Need card\['codec'\]"):
    prior_file.write(tmp_path, prior.networks, prior.params, {})


def test_what_is_wrong_is_named(prior, tmp_path):
  write(tmp_path, prior)
  with pytest.raises(ValueError, match=r'trained on the codec f, not .*\(g\)'):
    prior_file.read(tmp_path, 'g')
  fields = json.loads((tmp_path / prior_file.CARD).read_text())['networks']
  edit_card(tmp_path, networks=fields | {'width': 8})
  with pytest.raises(ValueError, match='does not fit .*has shape'):
    prior_file.read(tmp_path)
  edit_card(tmp_path, format=99)
  with pytest.raises(ValueError, match='format 99, expected 1'):
    prior_file.read(tmp_path)
  write(tmp_path, prior)
  with (tmp_path / prior_file.WEIGHTS).open('ab') as file:
    file.write(b'x')
  with pytest.raises(ValueError, match='SHA-256 differs'):
    prior_file.read(tmp_path)


def test_the_length_of_a_latent_is_size_in_the_file(prior, tmp_path):
  write(tmp_path, prior)
  card = json.loads((tmp_path / prior_file.CARD).read_text())
  assert card['networks']['size'] == prior.networks.latent_size
  assert 'latent_size' not in card['networks']
