"""The weights that come with the package."""

import functools
import json
import pathlib

import ase.build
import numpy as np
import pytest
import spglib

import crystal_jax as cj
from benchmarks import split_published_val
from crystal_jax.codec import shipped, weights_file
from crystal_jax.codec.card import fingerprints
from crystal_jax.codec.model import encode_batch
from crystal_jax.evaluation import matching
from tests import crystals

NAMES = shipped.names()
# Latents of ten crystals a codec (of carbon fewer), by split and id of the
# embedded OQMD crystals, as the codec gave them at commit 5c3eb18,
# or at the later one that brought its weights.
GOLDEN = pathlib.Path(__file__).parent / 'golden_latents.npz'


@functools.cache
def load(name):
  """A codec is opened once, so that it is compiled once."""
  return cj.Codec.load(name)


def golden(name):
  """Crystals whose latents are known, and the latents."""
  with np.load(GOLDEN) as file:
    ids, z = file[f'{name}_ids'].tolist(), file[f'{name}_z']
  return [crystals.embedded_by_id(*id_.split('/', 1)) for id_ in ids], z


def matched(true, found):
  compared = matching.compare(true, found, workers=0, progress=False)
  return [bool(c.match) for c in compared]


@pytest.mark.parametrize('name', NAMES)
def test_cards_of_shipped_codecs(name):
  folder = shipped.FOLDER / name
  sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
  prior = [sizes.pop(f'prior.{kind}', 0) for kind in ('json', 'safetensors')]
  assert all(prior) == any(prior) and sum(prior) < 40e6
  codec = load(name)
  card = codec.describe()
  most = 17e6 if name == 'universal' else 11e6
  assert len(sizes) == 2 and sum(sizes.values()) < most
  assert card['name'] == name and card['licence'] and card['steps'] > 0
  assert codec.latent_shape == tuple(card['latent_shape'])
  assert card['elements'] and card['data']['files']
  for file, digest in card['data']['files'].items():
    assert '/' not in file and len(digest) == 64
  assert '/work' not in json.dumps(card)
  params, _ = weights_file.read(folder)
  params.pop('fitted', None)  # Heads that do not change the latent.
  assert card['fingerprint'] == fingerprints(params)[0]


@pytest.mark.filterwarnings('ignore:perov_5 was trained on no')
@pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=pytest.mark.slow) if 'box' in name else name
    for name in NAMES
  ],
)
def test_latents_are_what_they_were(name):
  batch, z = golden(name)
  codec = load(name)
  # Of a box, together: `encode` compiles for each number of images.
  model, arrays = codec.to_arrays(batch)
  found = encode_batch(model, codec.params, arrays).mean
  np.testing.assert_allclose(found, z, atol=1e-3)


@pytest.mark.parametrize(
  'name',
  [pytest.param(n, marks=[pytest.mark.slow] * (n != 'mp_20')) for n in NAMES],
)
def test_every_codec_decodes(name):
  if name == 'perov_5':
    batch = perovskites()
    z = load(name).encode(batch)
  else:
    batch, z = (each[:4] for each in golden(name))
  is_box = load(name).describe()['kind'] == 'coded_box'
  # Refinement in a box takes seconds a crystal; without, a third is lost.
  found = load(name).decode(z, refine='none' if is_box else 'auto')
  least = 2 if is_box else 4
  found = [crystal or 'none' for crystal in found]
  assert sum(matched(batch, found)) >= least


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'column', 'number', 'least'),
  [
    ('perov_5', 'heat_all', 393, 0.65),
    ('carbon_24', 'energy_per_atom', 181, 0.45),
  ],
)
def test_fitted_heads_know_held_out_groups(
  name, column, number, least, shared_data
):
  path = shared_data / f'{name}_val.npz'
  with np.load(path) as file:
    columns = dict(file)
  # Those that neither the codec nor its heads were trained on.
  rows = np.flatnonzero(split_published_val.is_heldout(columns))
  assert len(rows) == number
  known, values = cj.read_all(path), columns[column][rows]
  found = load(name).predict([known[i] for i in rows], skip=True)[column]
  is_finite = np.isfinite(found) & np.isfinite(values)
  errors = (found - values)[is_finite]
  assert is_finite.mean() > 0.95
  assert 1 - np.mean(errors**2) / np.var(values[is_finite]) > least


def perovskites():
  """What perov_5 was trained on: cubic, of five atoms."""
  fractional = crystals.perovskite().positions / 3.905
  sizes = {(38, 22): 3.9, (56, 22): 4.0, (19, 73): 4.0, (20, 22): 3.85}
  return [
    cj.Crystal(np.array([a, b, 8, 8, 8]), fractional * size, np.eye(3) * size)
    for (a, b), size in sizes.items()
  ]


def test_crystals_come_back_from_mp_20():
  codec, batch = load('mp_20'), crystals.embedded(32)
  found = codec.reconstruct(batch)
  certain = codec.certain
  found = [c or codec.failures[i] for i, c in enumerate(found)]
  right = np.array(matched(batch, found))
  assert right.sum() >= 31
  assert right[certain].all() and certain.sum() >= 31


def slabs():
  yield ase.build.fcc111('Pt', (1, 1, 5), vacuum=8.0)
  yield ase.build.mx2('MoS2', vacuum=8.0)
  yield ase.build.fcc100('Al', (1, 1, 4), vacuum=7.5)


@pytest.mark.parametrize('slab', [*slabs()], ids=lambda a: str(a.symbols))
def test_slabs_do_not_drift(slab):
  slab.pbc = True
  crystal = cj.Crystal.from_ase(slab)
  (found,) = load('mp_20').reconstruct(crystal)
  (compared,) = matching.compare([crystal], [found], workers=0, progress=False)
  spacing = (abs(np.linalg.det(crystal.cell)) / len(slab)) ** (1 / 3)
  assert compared.match and compared.rmse * spacing < 0.01  # Å
  assert _group(found) == _group(crystal)


def _group(crystal):
  fractional = crystal.positions @ np.linalg.inv(crystal.cell)
  return spglib.get_spacegroup(
    (crystal.cell, fractional, crystal.numbers), symprec=0.01
  )


@pytest.mark.slow
def test_what_a_codec_never_saw_is_uncertain():
  nitride = cj.Crystal.from_ase(ase.build.bulk('GaN', 'wurtzite', a=3.19))
  codec = load('perov_5')
  with pytest.warns(UserWarning, match='perov_5 was trained on no .* 4 atoms'):
    (found,) = codec.reconstruct(nitride)
  is_right = found is not None and matched([nitride], [found])[0]
  assert is_right or not codec.certain[0]


def test_only_elements_of_the_card_are_decoded():
  codec = load('perov_5')
  known = {ase.data.atomic_numbers[s] for s in codec.describe()['elements']}
  assert len(known) < 94
  z = np.random.default_rng(0).standard_normal((64, codec.size))
  found = codec.decode(2 * z, refine='none')
  numbers = {n for c in found if c is not None for n in c.numbers.tolist()}
  assert numbers and numbers <= known


def test_former_weights_are_loaded_or_named_with_their_commit():
  assert 'mp_20@1' in shipped.names(retired=True)
  with pytest.raises(FileNotFoundError, match='Commit d372a89 .* box30_vector'):
    cj.Codec.load('box30_vector@1')
