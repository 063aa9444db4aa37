"""Traversals of the latent space: a line, growing noise, and samples.

As in the paper: a straight line between the latents of two crystals, one
latent with growing noise, and latents sampled from N(0, I). A sample of
N(0, I) is not the latent of a crystal, though it decodes to one. In a box with
periodic images, a small autocorrelation of the decoded occupancy at the decoded
lattice shows that.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from crystal_jax import plots
from crystal_jax.codec.codec import Codec
from crystal_jax.density import BoxGrid
from crystal_jax.evaluation.reconstruction import Reconstruction
from crystal_jax.evaluation.report import formula, image
from crystal_jax.evaluation.views import View
from crystal_jax.lattice_search import autocorrelation
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

# Number of latents in a row, and of rows with samples of N(0, I).
_STEPS, _ROWS = 7, 10
_SEED = 3

# Occupancies of one row, and the crystals (or reasons) decoded from them.
Row = tuple[Float[np.ndarray, 'B G G G'], list[Crystal | str]]


def sections(
  codec: Codec, view: View, first: Reconstruction, last: Reconstruction
) -> list[str]:
  """HTML of three rows of decoded occupancies.

  Args:
    codec: Codec that decodes.
    view: View of its representation.
    first: Reconstruction whose latent is the start of the line.
    last: Reconstruction whose latent is its end.
  """
  rng = np.random.default_rng(_SEED)
  share = np.linspace(0, 1, _STEPS)[:, None]
  line = (1 - share) * first.latent[None] + share * last.latent[None]
  noise = rng.standard_normal(first.latent.shape)
  noisy = first.latent[None] + share * noise[None]
  samples = rng.standard_normal((_ROWS, _STEPS, *first.latent.shape))
  between, around, *sampled = _decode(codec, [line, noisy, *samples])
  crystals = [crystal for _, row in sampled for crystal in row]
  number = sum(isinstance(crystal, Crystal) for crystal in crystals)
  text = (
    f'Latents sampled from N(0, I): {number} of {len(crystals)} decode to a '
    'crystal without atoms too close to each other.'
  )
  grid = view.repeating_grid
  if grid is not None:
    text += (
      ' Median autocorrelation of their occupancies at the decoded lattice: '
      f'{_autocorrelation(sampled, grid):.2f}; of those on the line: '
      f'{_autocorrelation([between], grid):.2f}.'
    )
  return [
    '<h2>Between and around crystals</h2>',
    f'<p>From {html.escape(first.id)} to {html.escape(last.id)}, latents on a '
    'straight line.</p>',
    *_row(*between),
    f'<p>{html.escape(first.id)}, its latent with more and more noise, up to '
    'one standard deviation of N(0, I).</p>',
    *_row(*around),
    f'<p>{text}</p>',
    *_row(*sampled[0]),
  ]


def _decode(
  codec: Codec, latents: Sequence[Float[np.ndarray, 'B D']]
) -> list[Row]:
  """Decodes rows of latents in one batch, without refinement."""
  z = np.concatenate(latents).astype(np.float32)
  crystals = codec.decode(z, refine='none', symmetrize=0.0)
  failures = codec.failures
  readings = [crystal or failures[i] for i, crystal in enumerate(crystals)]
  decode = jax.jit(codec.model.decode_arrays)
  rows, start = [], 0
  for row in latents:
    outputs = decode(codec.params, row.astype(np.float32))
    end = start + len(row)
    rows.append((np.asarray(outputs['occupancy']), readings[start:end]))
    start = end
  return rows


def _autocorrelation(rows: Sequence[Row], grid: BoxGrid) -> float:
  """Median autocorrelation of occupancies at their decoded lattices.

  Over lattice vectors that fit into the box.
  """
  values: list[float] = []
  for fields, crystals in rows:
    for field, crystal in zip(fields, crystals, strict=True):
      if isinstance(crystal, Crystal):
        cell, _ = lattice.minkowski_reduce(np.asarray(crystal.cell))
        correlation = autocorrelation.autocorrelation(
          field[..., None] - field.mean()
        )
        values += autocorrelation.score(
          correlation, grid.spacing, cell[None]
        ).tolist()
  inside = [value for value in values if value > -1]
  return float(np.median(inside)) if inside else float('nan')


def _row(
  fields: Float[np.ndarray, 'B G G G'], crystals: Sequence[Crystal | str]
) -> list[str]:
  """A picture of fields, and below it the crystal decoded from each."""
  texts = (
    formula(np.asarray(crystal.numbers))
    if isinstance(crystal, Crystal)
    else f'none ({html.escape(crystal)})'
    for crystal in crystals
  )
  return [image(plots.occupancy_row(fields)), f'<p>{"; ".join(texts)}</p>']
