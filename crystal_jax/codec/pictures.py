"""Pictures of what a codec decodes: atoms beside the decoded density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import scipy.signal
from jaxtyping import Float

from crystal_jax import viewer
from crystal_jax.codec import batching
from crystal_jax.codec.model import decode_batch
from crystal_jax.representation import Cell

# Minimum number of voxels along a side of the grid of an isosurface. On the
# decoder's own grid, an atom is too few voxels wide for 3Dmol's smoothing.
_MIN_SIZE = 40

if TYPE_CHECKING:
  from crystal_jax.codec.crystal_codec import CrystalCodec


def show(codec: CrystalCodec, items: Any, level: float) -> viewer.Display:
  """See `Codec.show`."""
  is_latents = isinstance(items, np.ndarray | jax.Array)
  z = codec._latents(items if is_latents else np.asarray(codec.encode(items)))
  if len(z) > batching.SIZE:
    raise ValueError(
      f'{len(z)} crystals; one page shows at most {batching.SIZE}.'
    )
  crystals = codec.decode(z)
  if all(crystal is None for crystal in crystals):
    reason = next(iter(codec.failures.values()))
    raise ValueError(f'No crystal to show: {reason}.')
  densities = _densities(codec, z)
  rows = []
  for crystal, density in zip(crystals, densities, strict=True):
    if crystal is None:
      continue
    row = [viewer.Panel(crystal)]
    if density is not None:
      title = 'decoded density, all atoms of one height'
      row.append(viewer.Panel(crystal, title, density, level))
    rows.append(row)
  return viewer.Display(viewer.page(rows, spin=True))


def _densities(codec, z):
  """The decoded occupancies; None of a codec that is not of cells.

  A cell's occupancy is on the grid of the decoded crystal. A box is cut out of
  a crystal and does not repeat with it.
  """
  model = codec._model
  if not isinstance(model.representation, Cell):
    return [None] * len(z)
  rows = np.resize(np.arange(len(z)), batching.SIZE)
  outputs = decode_batch(model, codec.params, z[rows])
  return [_finer(each) for each in np.asarray(outputs['occupancy'])[: len(z)]]


def _finer(
  density: Float[np.ndarray, 'G G G'],
) -> Float[np.ndarray, 'M M M']:
  """The same periodic density on a finer grid, by its Fourier series."""
  size = len(density)
  size *= -(-_MIN_SIZE // size)
  for axis in range(3):
    density = scipy.signal.resample(density, size, axis=axis)
  return density
