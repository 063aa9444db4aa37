"""Prior files: prior.safetensors and prior.json, beside a codec's weights.

`prior.safetensors` holds the weights, `prior.json` the hyperparameters of the
networks, the training record and the fingerprint of the codec. A prior is valid
only for the codec it was trained on; another codec is refused.
"""

from __future__ import annotations

import dataclasses
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

# Version of the file format, in prior.json.
FORMAT = 1
# Names of the files.
CARD, WEIGHTS = 'prior.json', 'prior.safetensors'

# Keys of fields of `PriorNetworks` in prior.json, where they differ.
_FIELD_KEYS = {'latent_size': 'size'}
_SCALE = '/scale'  # Suffix of the name of an int8 tensor's scales.


@dataclasses.dataclass(frozen=True)
class StoragePrecision:
  """Data type of each tensor in a file.

  float32: small tensors, such as statistics. int8 with one scale per output
  channel: kernels of the condition modulation, which are large and have few
  input channels. float16: the rest.

  Attributes:
    float32_below: Tensors with fewer numbers are float32.
    int8_min_size: Minimum number of numbers in an int8 kernel.
    int8_max_inputs: Maximum number of input channels of an int8 kernel.
  """

  float32_below: int = 2048
  int8_min_size: int = 1 << 17
  int8_max_inputs: int = 256


_PRECISION = StoragePrecision()


def write(
  folder: str | os.PathLike[str],
  networks: PriorNetworks,
  params: PyTree,
  card: Mapping[str, Any],
) -> None:
  """Writes a prior into the folder of its codec; see `StoragePrecision`.

  Args:
    folder: An existing folder; an older prior in it is replaced.
    networks: The networks.
    params: Their parameters.
    card: Further entries of prior.json. Needs 'codec', the fingerprint of the
      codec that the prior was trained on.

  Raises:
    ValueError: If `card` lacks 'codec'.
  """
  if 'codec' not in card:
    raise ValueError("Need card['codec'], the fingerprint of the codec.")
  folder = pathlib.Path(folder)
  tensors: dict[str, np.ndarray] = {}
  for path, leaf in jax.tree.leaves_with_path(params):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    tensors |= _quantize(name, np.asarray(leaf, np.float32))
  weights = safetensors.numpy.save(tensors)
  fields = {
    _FIELD_KEYS.get(name, name): getattr(networks, name)
    for name in networks.__dataclass_fields__
  }
  card = {
    'format': FORMAT,
    **{name: value for name, value in card.items() if name != 'format'},
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
    folder: Folder of the codec, or of the prior alone.
    fingerprint: Fingerprint of the codec that will decode; None: any.

  Raises:
    FileNotFoundError: If the folder has no prior.
    ValueError: If the prior is damaged, of another format or of another codec.
  """
  folder = pathlib.Path(folder)
  card = _read_card(folder)
  if fingerprint is not None and card['codec'] != fingerprint:
    raise ValueError(
      f'{folder / CARD}: the prior was trained on the codec {card["codec"]}, '
      f'not on this one ({fingerprint}). Train a prior for this codec: '
      'docs/draw.md.'
    )
  path = folder / WEIGHTS
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; {CARD} needs it.')
  data = path.read_bytes()
  if hashlib.sha256(data).hexdigest() != card['sha256']:
    raise ValueError(
      f'{path}: SHA-256 differs from {CARD}; export the prior again.'
    )
  try:
    tensors = safetensors.numpy.load(data)
    names = {key: name for name, key in _FIELD_KEYS.items()}
    fields = {names.get(k, k): v for k, v in card['networks'].items()}
    fields['properties'] = tuple(fields['properties'])
    networks = PriorNetworks(**fields)
    params = _dequantize(networks, tensors)
  except (
    safetensors.SafetensorError,
    KeyError,
    TypeError,
    ValueError,
  ) as error:
    text = ' '.join(str(error).split())
    raise ValueError(
      f'{path}: does not fit the networks of {CARD}: {text}'
    ) from error
  return networks, params, card


def _read_card(folder: pathlib.Path) -> dict[str, Any]:
  """The checked contents of prior.json; errors as in `read`."""
  path = folder / CARD
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; sampling needs a prior. mp_20, perov_5 and '
      'carbon_24 have one, and docs/draw.md says how to train one.'
    )
  try:
    card = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    text = ' '.join(str(error).split())
    raise ValueError(f'{path}: damaged: {text}') from error
  if not isinstance(card, dict):
    raise ValueError(f'{path}: damaged: not a JSON object.')
  if card.get('format') != FORMAT:
    raise ValueError(
      f'{path}: format {card.get("format")}, expected {FORMAT}; export the '
      'prior with this version of crystal_jax.'
    )
  missing = {'codec', 'networks', 'sha256'} - set(card)
  if missing:
    raise ValueError(f'{path}: lacks {", ".join(sorted(missing))}.')
  return card


def _dequantize(networks, tensors) -> PyTree:
  """The networks' parameters, float32.

  Raises:
    KeyError: If a tensor is missing.
    ValueError: If a tensor has another shape than the networks.
  """
  shapes = jax.eval_shape(networks.init, jax.random.key(0))

  def leaf(path, shape):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    tensor = tensors[name]
    if tensor.dtype == np.int8:
      tensor = tensor * tensors[name + _SCALE]
    if tensor.shape != shape.shape:
      raise ValueError(f'{name} has shape {tensor.shape}, not {shape.shape}')
    return tensor.astype(np.float32)

  return jax.tree.map_with_path(leaf, shapes)


def _quantize(
  name: str, leaf: np.ndarray, precision: StoragePrecision = _PRECISION
) -> dict[str, np.ndarray]:
  """The tensors that store a parameter, by name in the file."""
  if leaf.size < precision.float32_below:
    return {name: leaf}
  is_int8 = (
    leaf.ndim == 2
    and leaf.size >= precision.int8_min_size
    and len(leaf) <= precision.int8_max_inputs
  )
  if not is_int8:
    return {name: leaf.astype(np.float16)}
  scale = np.maximum(np.abs(leaf).max(axis=0, keepdims=True), 1e-12) / 127
  return {
    name: np.rint(leaf / scale).astype(np.int8),
    name + _SCALE: scale.astype(np.float32),
  }
