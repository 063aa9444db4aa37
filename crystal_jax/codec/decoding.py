"""Decoding of latents to crystals: networks, readout, refinement; no state."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec import batching
from crystal_jax.codec.model import Model, decode_batch
from crystal_jax.codec.refinement import (
  Encoder,
  RefineConfig,
  Refined,
  refine_batch,
)
from crystal_jax.representation import Cell, Invertible
from crystal_jax.structure import elements
from crystal_jax.structure.composition import Contents
from crystal_jax.structure.crystal import Crystal

# Numbers of a latent have a standard deviation of about one; no codec encodes a
# crystal to numbers this large.
_MAX_LATENT = 1e4
# Added to the codes of elements that are not allowed, so that none is nearest.
_OUT_OF_REACH = 1e3


def decode_latents(
  model: Model,
  params: PyTree,
  z: Float[np.ndarray, 'B D'],
  *,
  symmetrize: float,
  refine: str,
  config: RefineConfig,
  allowed: Collection[int] | None,
  contents: Sequence[Contents] | None = None,
) -> list[Refined]:
  """The crystal of each latent, or the reason why there is none.

  Args:
    model: Model that decodes, and encodes decoded crystals again.
    params: Parameters of its networks.
    z: Latents.
    symmetrize: Tolerance, Å; see `Codec.decode`.
    refine: Which crystals are refined: 'auto', 'all' or 'none'.
    config: Tuned constants of the refinement.
    allowed: Atomic numbers that may be decoded; None: all.
    contents: Composition or number of atoms of each crystal, where known. If
      given, refinement does not substitute, remove or add atoms.

  Raises:
    ValueError: If contents are given and the model is not one of a cell.
  """
  if contents is not None:
    if not isinstance(model.representation, Cell):
      raise ValueError(
        'composition and num_atoms need a codec of whole cells, such as mp_20.'
      )
    config = dataclasses.replace(config, max_edits=0)
  results = [_refusal(row) for row in z]
  valid = [i for i, result in enumerate(results) if result is None]
  encoder = None
  if isinstance(model.representation, Invertible):
    encoder = Encoder(model.representation, model.networks, params)
  for indices, outputs, readouts in _readouts(
    model, params, z, np.array(valid, int), allowed, contents
  ):
    refined = refine_batch(
      encoder,
      z[indices],
      outputs,
      readouts,
      symmetrize=symmetrize,
      refine_which=refine,
      config=config,
      allowed=allowed,
    )
    for index, result in zip(indices.tolist(), refined, strict=True):
      results[index] = result
  return [result for result in results if result is not None]


def _refusal(row) -> Refined | None:
  """The reason why a latent is not decoded, or None."""
  if not np.isfinite(row).all():
    return Refined('the latent is not finite')
  if np.abs(row).max() >= _MAX_LATENT:
    return Refined(
      f'the latent holds numbers above {_MAX_LATENT:g}: no latent of this codec'
    )
  return None


def _readouts(
  model, params, z, indices, allowed, contents
) -> Iterator[tuple[np.ndarray, dict[str, Any], list[Crystal | str]]]:
  """Network outputs and crystals read from them, computed one batch ahead.

  Yields:
    Indices of a batch of latents, the outputs for them, and for each a crystal,
    or the reason why there is none.
  """

  def read(batch):
    # Always full, so that one size is compiled.
    rows = np.resize(batch, batching.SIZE)
    outputs = decode_batch(model, params, z[rows])
    outputs = _restrict(outputs, allowed)
    if contents is None:
      read_from = _without_padding(outputs, len(batch))
      return outputs, model.representation.crystals(read_from)
    from crystal_jax.representation import known_composition

    return outputs, known_composition.crystals(
      model.representation, outputs, [contents[row] for row in rows]
    )

  step = batching.SIZE
  parts = [indices[i : i + step] for i in range(0, len(indices), step)]
  with concurrent.futures.ThreadPoolExecutor(1) as ahead:
    for part, (outputs, crystals) in zip(
      parts, ahead.map(read, parts), strict=True
    ):
      crystals = [_known(crystal, allowed) for crystal in crystals]
      yield part, outputs, crystals[: len(part)]


def _restrict(
  outputs: Mapping[str, Array], allowed: Collection[int] | None
) -> dict[str, Any]:
  """Outputs whose species can only be read as allowed elements.

  A species is the element whose code, with its learnt offset, is nearest to the
  output; the codes of all others are moved out of reach.
  """
  if allowed is None or 'codes' not in outputs:
    return dict(outputs)
  shape = elements.code_table().shape
  offset = np.zeros(shape, np.float32)
  unknown = [z for z in range(1, shape[1] + 1) if z not in allowed]
  offset[:, np.array(unknown, int) - 1] = _OUT_OF_REACH
  learnt = outputs.get('code_offsets', jnp.zeros(shape))
  offsets = jnp.broadcast_to(
    learnt + offset, (len(outputs['codes']), *shape[1:])
  )
  return {**outputs, 'code_offsets': offsets}


def _without_padding(outputs: Mapping[str, Any], count: int) -> dict[str, Any]:
  """Outputs with zero occupancy from row `count` on, so without atoms there."""
  if 'occupancy' not in outputs:
    return dict(outputs)
  occupancy = jnp.asarray(outputs['occupancy'])
  filled = jnp.asarray(np.arange(len(occupancy)) < count)
  return {
    **outputs,
    'occupancy': jnp.where(filled[:, None, None, None], occupancy, 0),
  }


def _known(
  crystal: Crystal | str, allowed: Collection[int] | None
) -> Crystal | str:
  """The crystal, or the reason if it has an element that is not allowed."""
  if allowed is None or not isinstance(crystal, Crystal):
    return crystal
  unseen = sorted(set(np.asarray(crystal.numbers).tolist()) - set(allowed))
  if not unseen:
    return crystal
  symbols = ', '.join(elements.symbol(number) for number in unseen)
  return f'the decoded crystal holds {symbols}, never seen in training'
