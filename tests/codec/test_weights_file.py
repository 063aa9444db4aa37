"""Weights on disk: whole, or an error of one line that names the file."""

import json

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import weights_file
from tests import codecs


@pytest.fixture
def folder(tmp_path):
  codecs.untrained(elements=['H', 'O']).save(tmp_path / 'mine')
  return tmp_path / 'mine'


def fails(folder, match, error=ValueError):
  with pytest.raises(error, match=match) as caught:
    cj.Codec.load(folder)
  text = str(caught.value)
  assert '\n' not in text and str(folder) in text


def edit(path, **changes):
  card = json.loads(path.read_text())
  path.write_text(json.dumps(card | changes))


def test_what_is_saved_is_loaded(folder):
  before, card = codecs.untrained(), weights_file.read_card(folder)
  again = cj.Codec.load(folder)
  assert again.describe() == card
  assert card['elements'] == ['H', 'O'] and card['format'] == 1
  assert card['name'] == 'mine' and card['versions']['jax'] == jax.__version__
  assert (
    card['fingerprint'] == before.describe()['fingerprint']
  )  # Of the same numbers, in float32.
  assert card['config']['cell']['size'] == 16
  assert set(p.name for p in folder.iterdir()) == {
    'card.json', 'weights.safetensors'
  }  # fmt: skip


def test_halves_where_there_are_many_and_floats_where_there_are_few(tmp_path):
  params = {'a': {'many': np.ones((64, 64))}, 'few': np.full(3, 1 / 3)}
  card = {'config': {}, 'elements': None}
  weights_file.write(tmp_path / 'x', params, card)
  found, _ = weights_file.read(tmp_path / 'x')
  np.testing.assert_array_equal(found['few'], np.float32(1 / 3))
  size = (tmp_path / 'x' / 'weights.safetensors').stat().st_size
  assert 2 * 4096 < size < 2.2 * 4096
  weights_file.write(tmp_path / 'x', params, card, dtype='float32')
  assert (tmp_path / 'x' / 'weights.safetensors').stat().st_size > 4 * 4096
  params['a']['many'][0, 0] = 1e6  # More than a half can be.
  weights_file.write(tmp_path / 'x', params, card)
  found, _ = weights_file.read(tmp_path / 'x')
  assert found['a']['many'][0, 0] == 1e6
  with pytest.raises(ValueError, match='int8'):
    weights_file.write(tmp_path / 'x', params, card, dtype='int8')


def test_nothing_else_is_replaced(folder):
  (folder / 'thesis.tex').write_text('years of work')
  with pytest.raises(FileExistsError, match='thesis.tex'):
    codecs.untrained().save(folder)
  assert (folder / 'thesis.tex').exists()
  assert [p.name for p in folder.parent.iterdir()] == ['mine']


def test_damaged_weights(folder):
  path = folder / weights_file.WEIGHTS
  whole = path.read_bytes()
  for damaged in whole[:-100], whole[:5], b'', b'\x80\x04K\x01.':
    path.write_bytes(damaged)
    fails(folder, 'damaged')
  path.write_bytes(whole[:-4] + b'\0\0\x80\x3f')
  fails(folder, 'belongs')
  path.unlink()
  fails(folder, 'no such file', FileNotFoundError)


def test_cards_that_are_none(folder):
  path = folder / weights_file.CARD
  whole = path.read_text()
  for text, match in {
    whole[:50]: 'damaged',
    '[1]': 'no card',
    '{}': 'no card',
    '{"format": 1}': 'lacks',
  }.items():
    path.write_text(text)
    fails(folder, match)
  path.write_text(whole)
  edit(path, format=2)
  fails(folder, 'format 2')
  config = json.loads(whole)['config']
  edit(path, format=1, config=config | {'representation': 'sphere'})
  fails(folder, 'sphere')
  wider = config['cell_vae'] | {'width': 64}
  edit(path, config=config | {'cell_vae': wider})
  fails(folder, 'not the tensors')
  edit(path, config=config | {'cell_vae': {'colour': 1}})
  fails(folder, 'makes no model')


def test_names(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(FileNotFoundError, match=r'\./no_such'):
    cj.Codec.load('no_such')
  with pytest.raises(FileNotFoundError, match='card.json'):
    cj.Codec.load('./no_such')
  codecs.untrained().save('mine')
  assert cj.Codec.load('./mine').size == cj.Codec.load(tmp_path / 'mine').size
  with pytest.raises(FileNotFoundError, match='shipped'):
    cj.Codec.load('mine')
