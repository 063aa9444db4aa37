"""What objects say of themselves, also where their values cannot be read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

import crystal_jax as cj
from crystal_jax.codec import shipped
from crystal_jax.structure import display
from crystal_jax.structure.crystal import stack


def rocksalt():
  return cj.Crystal.from_ase(bulk('NaCl', 'rocksalt', a=5.64))


def test_repr_of_a_crystal():
  text = repr(rocksalt().pad(5))
  assert text == (
    'Crystal(ClNa, 2 atoms in 5 slots, 3.988, 3.988, 3.988 Å, 60.0, 60.0, '
    '60.0°)'
  )
  page = rocksalt()._repr_html_()
  assert 'ClNa' in page and '44.85 Å³' in page
  assert display.html_table('<x>', {'&': '<'}).count('&lt;') == 2


def test_a_crystal_of_tracers_shows_shapes():
  crystal, seen = rocksalt(), []

  def volume(positions):
    # Numbers and cell are known here, positions are not.
    moved = cj.Crystal(crystal.numbers, positions, crystal.cell)
    seen.extend([repr(moved), moved._repr_html_()])
    return positions.sum()

  jax.jit(jax.grad(volume))(jnp.asarray(crystal.positions))
  assert seen[0].startswith('Crystal(numbers int32[2], positions float32[2,3]')
  assert seen[1] is None


def test_any_leaves_are_shown():
  crystal = rocksalt()
  assert repr(stack([crystal] * 3)).startswith('Crystal(numbers int32[3,2]')
  shapes = jax.eval_shape(lambda x: x, crystal)
  assert 'cell float32[3,3]' in repr(shapes)
  assert 'numbers NoneType' in repr(jax.tree.map(lambda x: None, crystal))
  donated = jax.tree.map(jnp.asarray, crystal)
  donated.positions.delete()
  assert 'positions float32[2,3]' in repr(donated)


def test_repr_of_decoded_atoms():
  slots = np.array([11, 17, 8, 0])
  atoms = cj.DecodedAtoms(
    positions=np.zeros((4, 3)),
    numbers=slots,
    weights=slots.astype(float),
    mask=slots > 0,
    inside=np.array([True, True, False, False]),
    residual=np.array(0.0012),
    overflow=np.array(False),
    length=10.0,
  )
  assert repr(atoms) == (
    'DecodedAtoms(ClNa, box 10 Å, outside the walls O, atoms 3 in 4 slots, '
    'residual 0.0012)'
  )
  assert 'outside the walls' in atoms._repr_html_()
  batch = jax.tree.map(lambda x: np.stack([x, x]), atoms)
  assert 'numbers int64[2,4]' in repr(batch) and batch._repr_html_() is None


@pytest.mark.parametrize('found', [True, False])
def test_repr_of_a_lattice_fit_tells_whether_it_was_found(found):
  cell = 4.0 * np.eye(3) if found else np.full((3, 3), np.nan)
  fit = cj.LatticeFit(cell, score=0.93 if found else 0.0, found=found)
  assert repr(fit).startswith(f'LatticeFit({"found" if found else "not found"}')
  assert ('4.000, 4.000, 4.000 Å' in repr(fit)) == found
  assert 'score' in fit._repr_html_()


@pytest.mark.parametrize('name', shipped.names())
def test_repr_of_a_codec(name):
  codec = cj.Codec.load(name)
  text, page = repr(codec), codec._repr_html_()
  assert text.startswith(f'Codec({name}: {codec.size} numbers, elements ')
  assert 'trained on' in text and len(text) < 250
  assert f'{codec.describe()["figures"]["heldout"]["match"]:.1%}' in page
