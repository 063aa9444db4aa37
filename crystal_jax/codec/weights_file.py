"""Weights on disk: tensors in one file, what they are in another.

A folder holds `weights.safetensors`, which has no code in it, and `card.json`:
how to build the model, what it was trained on, and what it is worth. The card
knows the digest of its weights, so that neither goes with another's.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

FORMAT = 1
CARD, WEIGHTS = 'card.json', 'weights.safetensors'

# A tensor of fewer numbers than this keeps float32: statistics, scales and
# biases weigh nothing in the file, and some need the digits.
_FEW = 2048
_MOST = np.finfo(np.float16).max


def write(
  folder: str | os.PathLike[str],
  params: PyTree,
  card: Mapping[str, Any],
  *,
  dtype: str = 'float16',
) -> None:
  """Writes weights and their card; both appear, or neither.

  Args:
    folder: Made, or replaced if it holds nothing but a codec.
    params: A tree of dicts of arrays.
    card: What else there is to say, as JSON.
    dtype: 'float16' or 'float32', of the large tensors.

  Raises:
    ValueError: If the dtype is another.
    FileExistsError: If the folder holds something else.
  """
  if dtype not in ('float16', 'float32'):
    raise ValueError(f"Need {dtype=} to be 'float16' or 'float32'.")
  # Not resolve(): what a link points to is not ours to replace.
  folder = pathlib.Path(os.path.abspath(folder))
  others = _others(folder)
  if others:
    raise FileExistsError(
      f'{folder} holds {others[0]}, which is no part of a codec; choose a new '
      'folder.'
    )
  folder.parent.mkdir(parents=True, exist_ok=True)
  tensors = {
    name: _narrowed(leaf, dtype) for name, leaf in _flat(params).items()
  }
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
    os.rename(new, folder)


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
    raise FileNotFoundError(f'{path}: no such file, though there is a card.')
  weights = path.read_bytes()
  digest = hashlib.sha256(weights).hexdigest()
  try:
    tensors = safetensors.numpy.load(weights)
  except (safetensors.SafetensorError, ValueError, KeyError) as error:
    raise ValueError(
      f'{path}: damaged or no safetensors file: {_line(error)}'
    ) from error
  if digest != card['sha256']:
    raise ValueError(
      f'{path}: not the weights that {CARD} beside it belongs to.'
    )
  return _nested(tensors), card


def fingerprint(params: PyTree) -> str:
  """What tells the latents of one codec from those of another.

  The same for weights in float16, in float32, and before they were saved.
  """
  digest = hashlib.sha256()
  for name, leaf in sorted(_flat(params).items()):
    digest.update(name.encode())
    digest.update(_narrowed(leaf, 'float16').tobytes())
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
  try:
    card = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:  # Of JSON, or of UTF-8.
    raise ValueError(f'{path}: damaged: {_line(error)}') from error
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
  return card


def _others(folder: pathlib.Path) -> list[str]:
  """What a folder holds that is no part of a codec."""
  if not folder.exists():
    return []
  if folder.is_symlink() or not folder.is_dir():
    return ['a file or a link']
  return sorted({p.name for p in folder.iterdir()} - {CARD, WEIGHTS})


def _narrowed(leaf, dtype) -> np.ndarray:
  leaf = np.asarray(leaf, np.float32)
  if leaf.size < _FEW or dtype == 'float32' or np.abs(leaf).max() > _MOST:
    return leaf
  return leaf.astype(np.float16)


def _flat(tree, prefix='') -> dict[str, np.ndarray]:
  """A tree of dicts as one of names with slashes."""
  flat = {}
  for name, value in tree.items():
    if isinstance(value, Mapping):
      flat |= _flat(value, f'{prefix}{name}/')
    else:
      flat[prefix + name] = value
  return flat


def _nested(tensors) -> dict[str, PyTree]:
  """The tree that `_flat` was given."""
  tree = {}
  for name, value in tensors.items():
    *above, last = name.split('/')
    branch = tree
    for part in above:
      branch = branch.setdefault(part, {})
    branch[last] = value.astype(np.float32)
  return tree


def _line(error: Exception) -> str:
  return ' '.join(str(error).split())
