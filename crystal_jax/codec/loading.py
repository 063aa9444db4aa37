"""A saved codec from disk: its model, parameters and card."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.card import fingerprints
from crystal_jax.codec.config import from_plain
from crystal_jax.codec.model import Model, make_model

# Fields of a representation that bound numbers of atoms or images; no more of
# them than voxels.
_ATOMS = 'max_atoms', 'max_decoded', 'max_images'
_MAX_VOXELS, _MAX_ATOMS = 256**3, 16_384
# A folder with this in it is the workdir of a run.
_CHECKPOINTS = 'checkpoints'


def load(folder: pathlib.Path) -> tuple[Model, PyTree, dict[str, Any]]:
  """Model, parameters and card from a folder that `weights_file` wrote.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If a file is damaged, foreign, or of another version.
  """
  if not (folder / weights_file.CARD).is_file() and is_run(folder):
    raise FileNotFoundError(
      f'{folder}: the workdir of a run; Codec.from_run opens it.'
    )
  params, card = weights_file.read(folder)
  path = folder / weights_file.CARD
  try:
    model = make_model(from_plain(card['config']))
    _check_sizes(model)
    expected = jax.eval_shape(model.networks.init, jax.random.key(0))
  except Exception as error:  # A config may be wrong in any way.
    text = ' '.join(str(error).split())[:200]
    raise ValueError(
      f'{path}: this version of crystal_jax makes no model of its config: '
      f'{type(error).__name__}: {text}'
    ) from error
  networks = {n: tree for n, tree in params.items() if n != 'fitted'}
  if _shapes(expected) != _shapes(networks):
    raise ValueError(
      f'{folder / weights_file.WEIGHTS}: not the tensors that the config in '
      f'{weights_file.CARD} asks for.'
    )
  if card.get('fingerprint') not in (None, *fingerprints(networks)):
    raise ValueError(
      f'{path}: its latents follow other element codes or another standard '
      f'frame than those of this version of crystal_jax.'
    )
  return model, params, card


def _check_sizes(model: Model) -> None:
  """Refuses a model that needs absurd amounts of memory.

  Raises:
    ValueError: If a grid has too many voxels, or fewer than atoms may be.
  """
  shapes = model.representation.input_shapes
  voxels = max(int(np.prod(shape[:3])) for shape in shapes.values())
  representation: Any = model.representation
  box = getattr(representation, 'box', representation)
  atoms = max(getattr(box, name, 0) for name in _ATOMS)
  if voxels > _MAX_VOXELS or atoms > min(voxels, _MAX_ATOMS):
    raise ValueError(f'{voxels} voxels for up to {atoms} atoms or images')


def is_run(folder: pathlib.Path) -> bool:
  """Whether a folder is the workdir of a run."""
  return (folder / _CHECKPOINTS).is_dir()


def _shapes(params: PyTree) -> dict[str, tuple[int, ...]]:
  leaves = jax.tree.leaves_with_path(params)
  return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}
