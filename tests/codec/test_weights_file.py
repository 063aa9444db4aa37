"""Weights on disk: whole, or an error of one line that names the file."""

import json
import os
import time

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import weights_file
from crystal_jax.codec.card import fingerprints
from tests import codecs, crystals


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
  # `describe` also lists the properties that `predict` returns: none here.
  assert again.describe() == card | {'properties': {}}
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
  weights_file.write(tmp_path / 'x', params, card, dtype='float16')
  found, _ = weights_file.read(tmp_path / 'x')
  np.testing.assert_array_equal(found['few'], np.float32(1 / 3))
  size = (tmp_path / 'x' / 'weights.safetensors').stat().st_size
  assert 2 * 4096 < size < 2.2 * 4096
  weights_file.write(tmp_path / 'x', params, card, dtype='float32')
  assert (tmp_path / 'x' / 'weights.safetensors').stat().st_size > 4 * 4096
  params['a']['many'][0, 0] = 1e6  # More than a half can be.
  weights_file.write(tmp_path / 'x', params, card, dtype='float16')
  found, _ = weights_file.read(tmp_path / 'x')
  assert found['a']['many'][0, 0] == 1e6
  with pytest.raises(ValueError, match='int8'):
    weights_file.write(tmp_path / 'x', params, card, dtype='int8')


def test_arrays_that_are_transposed_keep_their_numbers(tmp_path):
  array = np.arange(6, dtype=np.float32).reshape(2, 3)
  large = np.arange(64 * 65, dtype=np.float32).reshape(64, 65) / 4096
  params = {'small': array.T, 'large': large.T}
  for dtype in 'float32', 'float16':
    card = {'config': {}, 'elements': None}
    weights_file.write(tmp_path / dtype, params, card, dtype=dtype)
    found, _ = weights_file.read(tmp_path / dtype)
    np.testing.assert_array_equal(found['small'], array.T)
    np.testing.assert_allclose(found['large'], large.T, rtol=1e-3)


def test_a_save_that_fails_leaves_the_old_codec(folder, monkeypatch):
  before = (folder / weights_file.CARD).read_text()
  renames, rename = [], os.rename

  def failing(source, target):
    renames.append(target)
    if len(renames) == 2:
      raise OSError('no space left')
    rename(source, target)

  monkeypatch.setattr(os, 'rename', failing)
  with pytest.raises(OSError, match='no space'):
    codecs.untrained().save(folder)
  assert (folder / weights_file.CARD).read_text() == before
  assert [p.name for p in folder.parent.iterdir()] == ['mine']
  assert cj.Codec.load(folder).size


def test_loaded_it_gives_the_latents_it_gave(tmp_path):
  codec, batch = codecs.untrained(), crystals.embedded(3)
  codec.save(tmp_path / 'mine')
  again = cj.Codec.load(tmp_path / 'mine')
  np.testing.assert_allclose(
    again.encode(batch), codec.encode(batch), atol=1e-5
  )
  assert again.describe()['dtype'] == 'float32'


def test_old_cards_load_and_those_of_another_convention_do_not(folder):
  path = folder / weights_file.CARD
  params, card = weights_file.read(folder)
  assert card['fingerprint'] == fingerprints(params)[0]
  edit(path, fingerprint=weights_file.fingerprint(params))
  assert cj.Codec.load(folder).size
  edit(path, fingerprint='0123456789abcdef')
  fails(folder, 'standard frame')


HOSTILE = {
  'fold': lambda card: card['config']['cell_vae'].update(fold=0),
  'elements': lambda card: card.update(elements=5),
  'element': lambda card: card.update(elements=['Xx']),
  'max_atoms': lambda card: card['config']['cell'].update(max_atoms=10**7),
  'many atoms': lambda card: card['config']['cell'].update(max_atoms=900_000),
  'size': lambda card: card['config']['cell'].update(size=10**5),
  'blocks': lambda card: card['config']['cell_vae'].update(encoder='p' * 10**6),
  'width': lambda card: card['config']['cell_vae'].update(width=10**6),
  'config': lambda card: card.update(config=[1]),
  'symmetrize': lambda card: card.update(symmetrize='yes'),
  'refine': lambda card: card.update(refine={'max_steps': 10**9}),
  'unknown': lambda card: card.update(refine={'speed': 1}),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_a_hostile_card_costs_one_line(folder, name):
  path = folder / weights_file.CARD
  card = json.loads(path.read_text())
  HOSTILE[name](card)
  path.write_text(json.dumps(card))
  start = time.monotonic()
  with pytest.raises(ValueError) as caught:
    cj.Codec.load(folder)
  assert '\n' not in str(caught.value) and len(str(caught.value)) < 600
  assert time.monotonic() - start < 20


def test_json_that_is_nested_deep(folder):
  (folder / weights_file.CARD).write_text('[' * 10**5)
  fails(folder, 'damaged')
  (folder / weights_file.CARD).write_bytes(b'{' + b' ' * 10**7 + b'}')
  fails(folder, 'larger')


def test_a_header_that_lies(folder):
  path = folder / weights_file.WEIGHTS
  header = json.dumps(
    {'x': {'dtype': 'F32', 'shape': [10**9], 'data_offsets': [0, 4 * 10**9]}}
  ).encode()
  for size in len(header), 2**40:
    path.write_bytes(size.to_bytes(8, 'little') + header + b'\0' * 16)
    fails(folder, 'damaged')


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


def test_files_that_are_no_card(folder):
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
