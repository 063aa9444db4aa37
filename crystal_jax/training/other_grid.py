"""Transfer of trained token networks to a grid with more tokens a side.

A token stays a block of as many voxels, with atoms as wide in voxels. Layers of
single tokens are therefore kept, and layers between tokens are averaged: a map
over token positions (`PlaceMix`) becomes one that depends only on the offset of
two tokens and reaches the nearest neighbours. Position embeddings are
interpolated. With mp_20's layers, 47 of 48 crystals of 22 to 80 atoms are
reconstructed in this way on 24³ voxels, before any training
(benchmarks/RESULTS.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float, Int, PyTree

_EMBEDDINGS = 'encode_places', 'decode_places'
_MIX = 'PlaceMix'


def regrid(trained: PyTree, fresh: PyTree) -> PyTree:
  """Trained parameters in the shapes of a model on another grid.

  Args:
    trained: Trained parameters, nested dicts.
    fresh: Parameters of the model that is to be trained.

  Returns:
    `trained` with layers between tokens averaged, and without property heads,
    because they read a latent of another size. Unchanged if the grids are the
    same.
  """
  found, changed = _regrid(trained, fresh)
  if changed:
    found.pop('properties', None)
  return found


def _regrid(trained, fresh) -> tuple[dict[str, PyTree], bool]:
  found, changed = dict(trained), False
  for name, part in trained.items():
    other = fresh.get(name)
    if isinstance(part, Mapping) and isinstance(other, Mapping):
      if name.startswith(_MIX) and _shapes_differ(
        part['kernel'], other['kernel']
      ):
        kernel = _average(np.asarray(part['kernel']), other['kernel'].shape[1])
        found[name], changed = {**part, 'kernel': kernel}, True
      else:
        found[name], inner = _regrid(part, other)
        changed |= inner
    elif (
      name in _EMBEDDINGS and other is not None and _shapes_differ(part, other)
    ):
      found[name] = _interpolate(np.asarray(part), len(other))
      changed = True
  return found, changed


def _shapes_differ(trained: Array, fresh: Array) -> bool:
  return trained.shape != fresh.shape


def _average(
  kernel: Float[np.ndarray, 'K S S'], tokens: int
) -> Float[np.ndarray, 'K T T']:
  """A map over token positions, averaged over pairs with the same offset."""
  before, after = _side(kernel.shape[1]), _side(tokens)
  old, new = _indices(before), _indices(after)
  found = np.zeros((len(kernel), tokens, tokens), np.float32)
  for offset in itertools.product((-1, 0, 1), repeat=3):
    pairs = kernel[:, _flat(old, before), _flat(old + offset, before)]
    rows, columns = _flat(new, after), _flat(new + offset, after)
    found[:, rows, columns] += pairs.mean(axis=1, keepdims=True)
  return found


def _interpolate(
  embedding: Float[np.ndarray, 'S W'], tokens: int
) -> Float[np.ndarray, 'T W']:
  """Position embeddings, interpolated linearly on a periodic grid."""
  before, after = _side(len(embedding)), _side(tokens)
  position = _indices(after) * before / after
  corner = np.floor(position).astype(int)
  share = position - corner
  found = np.zeros((tokens, embedding.shape[1]), np.float32)
  for step in itertools.product((0, 1), repeat=3):
    weight = np.prod(np.where(step, share, 1 - share), axis=1)
    found += weight[:, None] * embedding[_flat(corner + step, before)]
  return found


def _side(tokens: int) -> int:
  """Number of tokens a side of a cube of tokens."""
  return round(tokens ** (1 / 3))


def _indices(side: int) -> Int[np.ndarray, 'T 3']:
  """The indices of all tokens along each axis."""
  return np.stack(np.unravel_index(np.arange(side**3), [side] * 3), axis=-1)


def _flat(index: Int[np.ndarray, 'T 3'], side: int) -> Int[np.ndarray, 'T']:
  """Index in a flattened periodic cube."""
  return np.ravel_multi_index(tuple((index % side).T), [side] * 3)
