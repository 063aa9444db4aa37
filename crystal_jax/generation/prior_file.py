"""A prior on disk, beside the weights of the codec whose latents it draws.

`prior.safetensors` holds the tensors, `prior.json` the networks' fields, how
the prior was trained, and the fingerprint of the codec: a prior says nothing of
another codec's latents, so another codec is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.io import atomic

FORMAT = 1
CARD, WEIGHTS = 'prior.json', 'prior.safetensors'

# Tensors of fewer numbers keep float32, as statistics have to.
_FEW = 2048
# Kernels of so many numbers and at most so many inputs, which modulate by the
# conditions, are a byte each and a scale for each output.
_MANY, _INPUTS = 1 << 17, 256
_SCALE = '/scale'


def write(
  folder: str | os.PathLike[str],
  networks: PriorNetworks,
  params: PyTree,
  card: Mapping[str, Any],
) -> None:
  """Writes a prior into the folder of its codec: float16, and bytes.

  Args:
    folder: Has to exist; an older prior in it is replaced.
    networks: The networks.
    params: Their parameters.
    card: Further entries, as JSON; 'codec', the fingerprint of the codec whose
      latents these are, has to be there.
  """
  folder = pathlib.Path(folder)
  tensors: dict[str, np.ndarray] = {}
  for path, leaf in jax.tree.leaves_with_path(params):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    tensors |= _narrowed(name, np.asarray(leaf, np.float32))
  weights = safetensors.numpy.save(tensors)
  fields = {
    name: getattr(networks, name) for name in networks.__dataclass_fields__
  }
  card = {
    'format': FORMAT,
    **card,
    'networks': fields,
    'sha256': hashlib.sha256(weights).hexdigest(),
  }
  text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
  with atomic.replacing(folder / WEIGHTS) as partial:
    pathlib.Path(partial).write_bytes(weights)
  with atomic.replacing(folder / CARD) as partial:
    pathlib.Path(partial).write_text(text, encoding='utf-8')


def read(
  folder: str | os.PathLike[str], fingerprint: str | None = None
) -> tuple[PriorNetworks, PyTree, dict[str, Any]]:
  """The networks, their parameters in float32, and the card.

  Args:
    folder: Of the codec, or of the prior alone.
    fingerprint: Of the codec that will decode; None: any.

  Raises:
    FileNotFoundError: If there is no prior.
    ValueError: If it is damaged, of another version or of another codec.
  """
  folder = pathlib.Path(folder)
  card = _read_card(folder)
  if fingerprint is not None and card['codec'] != fingerprint:
    raise ValueError(
      f'{folder / CARD}: the prior of the codec {card["codec"]}, whose latents '
      f'mean nothing to this one ({fingerprint}). Train a prior for it: '
      'docs/draw.md.'
    )
  path = folder / WEIGHTS
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file, though there is a card.')
  data = path.read_bytes()
  if hashlib.sha256(data).hexdigest() != card['sha256']:
    raise ValueError(f'{path}: not the weights that {CARD} beside it is of.')
  try:
    tensors = safetensors.numpy.load(data)
    fields = {**card['networks']}
    fields['properties'] = tuple(fields['properties'])
    networks = PriorNetworks(**fields)
    params = _filled(networks, tensors)
  except (safetensors.SafetensorError, TypeError, KeyError) as error:
    text = ' '.join(str(error).split())
    raise ValueError(
      f'{path}: not the tensors that {CARD} beside it asks for: {text}'
    ) from error
  return networks, params, card


def _read_card(folder) -> dict[str, Any]:
  path = folder / CARD
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; a codec draws with a prior. mp_20 has one, and '
      'docs/draw.md says how to train one.'
    )
  try:
    card = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    text = ' '.join(str(error).split())
    raise ValueError(f'{path}: damaged: {text}') from error
  if not isinstance(card, dict) or card.get('format') != FORMAT:
    raise ValueError(
      f'{path}: no card of a prior of format {FORMAT}, which this version of '
      'crystal_jax reads.'
    )
  missing = {'codec', 'networks', 'sha256'} - set(card)
  if missing:
    raise ValueError(f'{path}: lacks {", ".join(sorted(missing))}.')
  return card


def _filled(networks, tensors) -> PyTree:
  """Tensors in the tree of the networks' parameters.

  Raises:
    KeyError: If a tensor is missing or of another shape.
  """
  shapes = jax.eval_shape(networks.init, jax.random.key(0))

  def leaf(path, shape):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    found = tensors[name]
    if found.dtype == np.int8:
      found = found * tensors[name + _SCALE]
    if found.shape != shape.shape:
      raise KeyError(f'{name} {found.shape}, where {shape.shape} is needed')
    return found.astype(np.float32)

  return jax.tree.map_with_path(leaf, shapes)


def _narrowed(name, leaf) -> dict[str, np.ndarray]:
  """The tensors that a leaf is kept as."""
  if leaf.size < _FEW:
    return {name: leaf}
  if leaf.ndim != 2 or leaf.size < _MANY or len(leaf) > _INPUTS:
    return {name: leaf.astype(np.float16)}
  scale = np.maximum(np.abs(leaf).max(axis=0, keepdims=True), 1e-12) / 127
  return {
    name: np.rint(leaf / scale).astype(np.int8),
    name + _SCALE: scale.astype(np.float32),
  }
