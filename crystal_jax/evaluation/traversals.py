"""What lies between, around and away from the latents of crystals.

As the paper has it: a straight line between two crystals, one crystal's latent
altered, and latents drawn at random. A latent drawn from N(0, I) is not one
that a crystal has. It is read as some crystal even so; that what it decodes to
hardly repeats by the lattice that was read shows how little that means.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.evaluation import figures
from crystal_jax.evaluation.report import formula, image
from crystal_jax.lattice_search import autocorrelation
from crystal_jax.structure import lattice, validation
from crystal_jax.structure.crystal import Crystal

# Latents of a row, and rows that are drawn at random, to be counted.
_STEPS, _ROWS = 7, 10


def sections(
  model: Model, params: PyTree, batch: Mapping[str, np.ndarray], key: Array
) -> list[str]:
  """HTML of three rows of decoded occupancies.

  Args:
    model: A coded box.
    params: Its parameters.
    batch: Of crystals; the first and the last are taken.
    key: Of what is drawn.
  """
  networks = model.networks
  examples = jax.jit(model.representation.examples)(None, batch)
  mean, _ = jax.jit(networks.encode)(params, examples.inputs)
  first, last = mean[0], mean[-1]
  share = jnp.linspace(0, 1, _STEPS)[:, None]
  around, away = jax.random.split(key)
  step = jax.random.normal(around, first.shape)
  decode = jax.jit(networks.decode)

  def read(z: Float[Array, 'B D']) -> tuple[np.ndarray, list[Crystal | str]]:
    outputs = decode(params, z)
    crystals = [
      crystal if isinstance(crystal, str) else validation.check_decoded(crystal)
      for crystal in model.representation.crystals(outputs)
    ]
    return np.asarray(outputs['occupancy']), crystals

  drawn = jax.random.normal(away, (_ROWS, _STEPS, *first.shape))
  drawn = [read(z) for z in drawn]
  ends = read((1 - share) * first[None] + share * last[None])
  whole = [isinstance(one, Crystal) for _, row in drawn for one in row]
  said = (
    f'Latents drawn from N(0, I): {sum(whole)} of {len(whole)} are read as a '
    'crystal whose atoms keep apart.'
  )
  box = model.representation.box
  if box.repeats:
    random, own = (
      _alike(
        [each for row in rows for each in zip(*row, strict=True)], box.grid
      )
      for rows in (drawn, [ends])
    )
    said += (
      ' Moved by a lattice that was read, their occupancies are as like '
      f'themselves as {random:.2f}, those of the line {own:.2f} (medians).'
    )
  return [
    '<h2>Between and around crystals</h2>',
    '<p>From one held-out crystal to another, latents in a straight line.</p>',
    *_row(*ends),
    '<p>One crystal, its latent altered by more and more, up to one deviation '
    'of N(0, I).</p>',
    *_row(*read(first[None] + share * step[None])),
    f'<p>{said}</p>',
    *_row(*drawn[0]),
  ]


def _alike(some, grid) -> float:
  """How alike fields are to themselves, moved by their crystals' lattices.

  The median, of those whose lattice the box shows.
  """
  values = []
  for field, crystal in some:
    if isinstance(crystal, Crystal):
      cell, _ = lattice.minkowski_reduce(crystal.cell)
      likeness = autocorrelation.alike(field[..., None] - field.mean())
      values.extend(autocorrelation.score(likeness, grid.spacing, cell[None]))
  shown = [value for value in values if value > -1]
  return float(np.median(shown)) if shown else float('nan')


def _row(fields, crystals) -> list[str]:
  """One picture, and beneath it what each field was read as."""
  said = (
    formula(np.asarray(crystal.numbers))
    if isinstance(crystal, Crystal)
    else f'none ({html.escape(crystal)})'
    for crystal in crystals
  )
  return [image(figures.row(fields)), f'<p>{"; ".join(said)}</p>']
