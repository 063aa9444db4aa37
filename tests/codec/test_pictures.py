"""What a codec decodes, in a notebook."""

import json
import re

import numpy as np
import pytest

from tests import codecs, crystals


def rows(display):
  """The scenes of a page, by row."""
  (found,) = re.findall(r'const data = (.*?);\n', display.text)
  return json.loads(found.replace('<\\/', '</'))['rows']


def test_atoms_beside_the_decoded_density():
  codec = codecs.through()
  both = [crystals.perovskite(), crystals.wurtzite()]
  z = codec.encode(both)
  display = codec.show(z)
  assert rows(codec.show(both)) == rows(display)
  assert display._repr_html_().startswith('<iframe srcdoc="')
  for (atoms, density), crystal in zip(
    rows(display), codec.decode(z), strict=True
  ):
    assert not atoms['cube']
    # Small atoms, which do not hide the surface around them.
    assert len(atoms['atoms']) == len(density['atoms'])
    assert all(a['radius'] < 0.25 for a in density['atoms'])
    values = np.array(density['cube'].splitlines()[6].split(), float)
    # The decoder's 16 voxels a side, interpolated to 48.
    field = values.reshape(49, 49, 49)[:48, :48, :48]
    inverse = np.linalg.inv(crystal.cell)
    voxels = np.rint(crystal.positions @ inverse * 48).astype(int) % 48
    assert (field[tuple(voxels.T)] > density['level']).all()
    assert field.mean() < density['level']


def test_a_latent_alone_and_wrong_use():
  codec = codecs.through()
  z = codec.encode(crystals.perovskite())
  assert len(rows(codec.show(z[0]))) == 1
  with pytest.raises(ValueError, match='at most 32'):
    codec.show(np.repeat(z, 33, axis=0))
  with pytest.raises(ValueError, match='No crystal to show: the latent is not'):
    codec.show(np.full_like(z, np.nan))


@pytest.mark.slow
def test_a_codec_of_a_box_shows_atoms(monkeypatch):
  codec = codecs.untrained('coded_box')
  z = np.zeros((1, codec.size), np.float32)
  monkeypatch.setattr(codec, 'decode', lambda z: [crystals.perovskite()])
  ((only,),) = rows(codec.show(z))
  assert not only['cube']
