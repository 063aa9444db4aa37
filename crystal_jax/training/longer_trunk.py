"""Extension of trained trunks by further blocks, which start as identities.

Flax numbers the parts of a `Trunk` in order. Block i has norms 2 i and 2 i + 1
and dense layers 2 i and 2 i + 1. The last norm is that of the output. Mixes are
numbered separately for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

_TRUNKS = 'encode_trunk', 'decode_trunk'
_PART = re.compile(r'(\w+?)_(\d+)')


def lengthen(trained: PyTree, fresh: PyTree) -> tuple[PyTree, PyTree]:
  """Parameters with which a longer trunk computes what the trained one does.

  Args:
    trained: Trained parameters, nested dicts; their trunks may be shorter.
    fresh: Parameters of the model that is to be trained.

  Returns:
    `trained`, with its parts renamed as in the longer trunks, and `fresh`, with
    zeros in the outputs of the new blocks. Both unchanged if no trunk is
    longer.
  """
  if not (isinstance(trained, Mapping) and isinstance(fresh, Mapping)):
    return trained, fresh
  trained, fresh = dict(trained), dict(fresh)
  for name in trained.keys() & fresh.keys():
    step = _lengthen if name in _TRUNKS else lengthen
    trained[name], fresh[name] = step(trained[name], fresh[name])
  return trained, fresh


def _lengthen(trained, fresh) -> tuple[PyTree, PyTree]:
  trained, fresh = dict(trained), dict(fresh)
  old, new = _blocks(trained), _blocks(fresh)
  if new <= old:
    return trained, fresh
  trained[f'RMSNorm_{2 * new}'] = trained.pop(f'RMSNorm_{2 * old}')
  for name in set(fresh) - set(trained):
    match = _PART.fullmatch(name)
    assert match is not None, name
    kind, number = match[1], int(match[2])
    if kind == 'Dense' and number % 2:
      fresh[name] = _zeros(fresh[name])
    elif kind not in ('Dense', 'RMSNorm'):  # A mix: its last layer.
      last = max(part for part in fresh[name] if part.startswith('Dense_'))
      fresh[name] = {**fresh[name], last: _zeros(fresh[name][last])}
  return trained, fresh


def _blocks(trunk: Mapping[str, PyTree]) -> int:
  return sum(name.startswith('RMSNorm_') for name in trunk) // 2


def _zeros(tree: PyTree) -> PyTree:
  return jax.tree.map(jnp.zeros_like, tree)
