"""What lies between, around and away from the latents of crystals.

As the paper has it (section 4): a straight line between two crystals, one
crystal's latent altered, and latents drawn at random. A latent drawn from
N(0, I) is not one that a crystal has, and hardly one gives a crystal that would
hold; how many do is said beside.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax import decoded_check
from crystal_jax.crystal import Crystal
from crystal_jax.evaluation import figures
from crystal_jax.evaluation.report import formula, image
from crystal_jax.model import Model

# Latents of a row, and how many are drawn at random to be counted.
_STEPS, _DRAWN = 7, 64


def sections(
  model: Model, params: PyTree, batch: Mapping[str, np.ndarray], key: Array
) -> list[str]:
  """HTML of three rows of decoded occupancies.

  Args:
    model: A coded box.
    params: Its parameters.
    batch: Of at least two crystals.
    key: Of what is drawn.
  """
  networks = model.networks
  examples = jax.jit(model.representation.examples)(None, batch)
  mean, _ = jax.jit(networks.encode)(params, examples.inputs)
  first, second = mean[0], mean[1]
  share = jnp.linspace(0, 1, _STEPS)[:, None]
  around, away = jax.random.split(key)
  step = jax.random.normal(around, first.shape)
  drawn = jax.random.normal(away, (_DRAWN, *first.shape))
  count, what = 0, []
  for start in range(0, _DRAWN, _STEPS):
    # One size, so that one is compiled.
    fields, crystals = _decoded(
      model, params, jnp.resize(drawn[start:], (_STEPS, *first.shape))
    )
    what = what or [fields, crystals]
    some = crystals[: _DRAWN - start]
    count += sum(isinstance(crystal, Crystal) for crystal in some)
  between = (1 - share) * first[None] + share * second[None]
  altered = first[None] + share * step[None]
  return [
    '<h2>Between and around crystals</h2>',
    '<p>From one held-out crystal to another, latents in a straight line.</p>',
    *_row(*_decoded(model, params, between)),
    '<p>One crystal, its latent altered by more and more, up to one deviation '
    'of N(0, I).</p>',
    *_row(*_decoded(model, params, altered)),
    f'<p>Latents drawn from N(0, I): {count} of {_DRAWN} give any crystal '
    'whose atoms keep apart, and nothing says that one is stable.</p>',
    *_row(*what),
  ]


def _decoded(
  model: Model, params: PyTree, z: Float[Array, 'B D']
) -> tuple[np.ndarray, list[Crystal | str]]:
  """Occupancies and crystals of latents."""
  outputs = jax.jit(model.networks.decode)(params, z)
  crystals = [
    decoded_check.checked(crystal) if isinstance(crystal, Crystal) else crystal
    for crystal in model.representation.crystals(outputs)
  ]
  return np.asarray(outputs['occupancy']), crystals


def _row(fields, crystals) -> list[str]:
  """One picture, and beneath it what each field was read as."""
  said = (
    formula(np.asarray(crystal.numbers))
    if isinstance(crystal, Crystal)
    else f'none ({html.escape(crystal)})'
    for crystal in crystals
  )
  return [image(figures.row(fields)), f'<p>{"; ".join(said)}</p>']
