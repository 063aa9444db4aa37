"""Weights on disk: tensors in one file, their card in another.

A folder holds `weights.safetensors`, which contains no code, and `card.json`:
how to build the model, what it was trained on, and its figures. The card holds
the digest of its weights, so neither is used with another's.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util
from jaxtyping import PyTree

from crystal_jax.codec import unseen
from crystal_jax.structure import elements

FORMAT = 1
CARD, WEIGHTS = 'card.json', 'weights.safetensors'

# A tensor of fewer numbers than this keeps float32: statistics, scales and
# biases take little space, and some need the digits.
_SMALL = 2048
_MAX_FLOAT16 = np.finfo(np.float16).max
# Bytes of the largest card that is read; shipped ones have some 10,000.
_MAX_CARD = 4_000_000
# Bounds of a card's config, far above any model that was ever trained: a depth,
# a length of lists and strings, and a number.
_MAX_DEPTH, _MAX_LENGTH, _MAX_NUMBER = 8, 1000, 1_000_000


def write(
  folder: str | os.PathLike[str],
  params: PyTree,
  card: Mapping[str, Any],
  *,
  dtype: str = 'float32',
) -> None:
  """Writes weights and their card; both appear, or neither.

  Args:
    folder: Made, or replaced if it holds nothing but a codec.
    params: A tree of dicts of arrays.
    card: Further entries of the card, as JSON.
    dtype: 'float32', or 'float16' for the large tensors, which halves the file.

  Raises:
    ValueError: If the dtype is another.
    FileExistsError: If the folder holds something else.
    OSError: If it cannot be written; what it held before stays.
  """
  if dtype not in ('float16', 'float32'):
    raise ValueError(f"Need {dtype=} to be 'float16' or 'float32'.")
  # Not resolve(): what a link points to is not ours to replace.
  folder = pathlib.Path(os.path.abspath(folder))
  extra = _not_a_codec(folder)
  if extra:
    raise FileExistsError(
      f'{folder} holds {extra[0]}, which is not part of a codec; choose a new '
      'folder.'
    )
  folder.parent.mkdir(parents=True, exist_ok=True)
  tensors = {name: _cast(leaf, dtype) for name, leaf in _flat(params).items()}
  weights = safetensors.numpy.save(tensors)
  card = {
    'format': FORMAT,
    **card,
    'dtype': dtype,
    'sha256': hashlib.sha256(weights).hexdigest(),
  }
  text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False)
  with tempfile.TemporaryDirectory(
    prefix=f'.{folder.name}.', dir=folder.parent
  ) as partial:
    new, old = pathlib.Path(partial, 'new'), pathlib.Path(partial, 'old')
    new.mkdir()
    (new / WEIGHTS).write_bytes(weights)
    (new / CARD).write_text(f'{text}\n', encoding='utf-8')
    if folder.exists():
      os.rename(folder, old)
    try:
      os.rename(new, folder)
    except BaseException:
      if old.exists():
        os.rename(old, folder)
      raise


def read(
  folder: str | os.PathLike[str],
) -> tuple[dict[str, PyTree], dict[str, Any]]:
  """The weights in float32, and their card.

  Raises:
    FileNotFoundError: If a file is missing.
    ValueError: If one is damaged, foreign, or of another version.
  """
  card = read_card(folder)
  path = pathlib.Path(folder) / WEIGHTS
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file beside its {CARD}.')
  weights = path.read_bytes()
  digest = hashlib.sha256(weights).hexdigest()
  try:
    tensors = safetensors.numpy.load(weights)
    params = traverse_util.unflatten_dict(
      {name: leaf.astype(np.float32) for name, leaf in tensors.items()},
      sep='/',
    )
  except Exception as error:  # The parser is another library's.
    raise ValueError(
      f'{path}: damaged, or no safetensors file of a codec.'
    ) from error
  if digest != card['sha256']:
    raise ValueError(f'{path}: not the weights that {CARD} belongs to.')
  return params, card


def fingerprint(params: PyTree) -> str:
  """Digest of weights, the same in float16, in float32 and before saving."""
  digest = hashlib.sha256()
  for name, leaf in sorted(_flat(params).items()):
    digest.update(name.encode())
    digest.update(_cast(leaf, 'float16').tobytes())
  return digest.hexdigest()[:16]


def read_card(folder: str | os.PathLike[str]) -> dict[str, Any]:
  """The card alone.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If it is damaged, foreign, or of another version.
  """
  path = pathlib.Path(folder) / CARD
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; a codec has one.')
  if path.stat().st_size > _MAX_CARD:
    raise ValueError(f'{path}: larger than any card of a codec.')
  try:
    card = json.loads(path.read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:  # Of JSON, or of UTF-8.
    raise ValueError(f'{path}: damaged, no JSON in UTF-8.') from error
  if not isinstance(card, dict) or 'format' not in card:
    raise ValueError(f'{path}: no card of a codec.')
  if card['format'] != FORMAT:
    raise ValueError(
      f'{path}: of format {card["format"]!r}, where this version of '
      f'crystal_jax reads format {FORMAT}.'
    )
  missing = {'config', 'elements', 'sha256'} - set(card)
  if missing:
    raise ValueError(f'{path}: lacks {", ".join(sorted(missing))}.')
  for name, is_valid in _VALID.items():
    if name in card and not is_valid(card[name]):
      text = repr(card[name])
      text = text if len(text) < 60 else f'{text[:60]} ..'
      raise ValueError(f'{path}: {name}={text} is not what a card has there.')
  return card


def _is_plain(value: Any, depth: int = 0) -> bool:
  """Whether a config's value is within the bounds of any model."""
  if isinstance(value, Mapping | list):
    each = value.values() if isinstance(value, Mapping) else value
    return (
      len(value) <= _MAX_LENGTH
      and depth < _MAX_DEPTH
      and all(_is_plain(part, depth + 1) for part in each)
    )
  if isinstance(value, str):
    return len(value) <= _MAX_LENGTH
  return isinstance(value, int | float) and abs(value) <= _MAX_NUMBER


def _is_text(value: Any) -> bool:
  return isinstance(value, str)


def _are_elements(value: Any) -> bool:
  if value is None:
    return True
  known = {elements.symbol(z) for z in range(1, elements.MAX_NUMBER + 1)}
  return isinstance(value, list) and all(
    isinstance(symbol, str) and symbol in known for symbol in value
  )


def _is_length(value: Any) -> bool:
  return (
    isinstance(value, int | float)
    and not isinstance(value, bool)
    and math.isfinite(value)
    and value >= 0
  )


# What entries of a card have to be, if they are there.
_VALID = {
  'name': _is_text,
  'kind': _is_text,
  'fingerprint': _is_text,
  'sha256': _is_text,
  'elements': _are_elements,
  'symmetrize': _is_length,
  unseen.ENTRY: unseen.is_valid,
  'config': lambda value: isinstance(value, dict) and _is_plain(value),
  'refine': lambda value: isinstance(value, dict) and _is_plain(value),
}


def _not_a_codec(folder: pathlib.Path) -> list[str]:
  """Names in a folder that are not part of a codec."""
  if not folder.exists():
    return []
  if folder.is_symlink() or not folder.is_dir():
    return ['a file or a link']
  return sorted({p.name for p in folder.iterdir()} - {CARD, WEIGHTS})


def _cast(leaf, dtype) -> np.ndarray:
  # In C order: safetensors writes the memory of an array, whatever its strides.
  leaf = np.asarray(leaf, np.float32, order='C')
  is_large = leaf.size >= _SMALL and np.abs(leaf).max() <= _MAX_FLOAT16
  if dtype == 'float32' or not is_large:
    return leaf
  return leaf.astype(np.float16)


def _flat(tree: PyTree) -> dict[str, np.ndarray]:
  """A tree of dicts as one of names with slashes."""
  return traverse_util.flatten_dict(tree, sep='/')
