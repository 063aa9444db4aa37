"""A codec that loses nothing, and a folder of crystals, for commands."""

import pytest

import crystal_jax as cj
from crystal_jax.cli import inputs
from tests import codecs, crystals


@pytest.fixture
def perfect(monkeypatch):
  """`--weights` gives a codec that loses nothing."""
  codec = codecs.through()
  card = {'name': 'perfect', 'fingerprint': 'f', 'elements': None}
  codec = cj.Codec(codec._model, {}, card)
  monkeypatch.setattr(inputs, 'open_codec', lambda name: codec)
  return codec


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'in' / 'deep').mkdir(parents=True)
  cj.write(tmp_path / 'in' / 'a.cif', crystals.wurtzite())
  cj.write(tmp_path / 'in' / 'deep' / 'b.vasp', crystals.perovskite())
  (tmp_path / 'in' / 'README.txt').write_text('no crystal')
  return tmp_path / 'in'
