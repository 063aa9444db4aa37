"""The weights that come with the package."""

import json

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import weights_file
from tests import crystals

WEIGHTS = crystals.ROOT / 'crystal_jax' / 'weights'
NAMES = sorted(path.parent.name for path in WEIGHTS.glob('*/card.json'))


@pytest.mark.parametrize('name', NAMES)
def test_a_card_says_what_it_is(name):
  folder = WEIGHTS / name
  sizes = [path.stat().st_size for path in folder.iterdir()]
  codec = cj.Codec.load(name)
  card = codec.describe()
  most = 8e6 if card['kind'] == 'cell' else 11e6
  assert len(sizes) == 2 and sum(sizes) < most
  assert card['name'] == name and card['licence'] and card['steps'] > 0
  assert codec.latent_shape == tuple(card['latent_shape'])
  assert card['elements'] and card['data']['files']
  for file, digest in card['data']['files'].items():
    assert '/' not in file and len(digest) == 64
  assert '/work' not in json.dumps(card)
  params, _ = weights_file.read(folder)
  assert weights_file.fingerprint(params) == card['fingerprint']


def test_crystals_come_back_from_mp_20():
  codec = cj.Codec.load('mp_20')
  some = crystals.embedded(32)
  found = codec.reconstruct(some)
  right = 0
  for crystal, again in zip(some, found, strict=True):
    if again is None:
      continue
    volume = abs(np.linalg.det(again.cell)) / len(again.numbers)
    expected = abs(np.linalg.det(crystal.cell)) / len(crystal.numbers)
    species = sorted(set(again.numbers)) == sorted(set(crystal.numbers))
    right += species and abs(volume / expected - 1) < 0.02
  assert right >= 26, (right, codec.failures)
