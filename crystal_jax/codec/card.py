"""The card of a codec: what it was made of, trained on and worth, as JSON."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

import ml_collections
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.config import to_json
from crystal_jax.codec.model import Model

# Libraries whose versions a card names.
_LIBRARIES = 'jax', 'flax', 'numpy', 'ase', 'spglib'


def make_card(
  model: Model,
  params: PyTree,
  config: ml_collections.ConfigDict,
  *,
  name: str,
  elements: list[str] | None = None,
  **entries: Any,
) -> dict[str, Any]:
  """The card of a model and its parameters.

  Args:
    model: The model.
    params: Its parameters.
    config: What the model was made from; only its `model` is kept.
    name: Of the codec.
    elements: Symbols of the elements seen in training; None if unknown.
    entries: Further entries, as JSON.
  """
  return {
    'name': name,
    'kind': model.kind,
    'config': json.loads(to_json(config.model)),
    'latent_shape': list(model.networks.latent_shape),
    'fingerprint': weights_file.fingerprint(params),
    'elements': elements,
    **entries,
    'versions': versions(),
  }


def versions() -> dict[str, str]:
  """Versions of this package and of the libraries that latents depend on."""
  import crystal_jax

  found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  return {'crystal_jax': crystal_jax.__version__, **found}
