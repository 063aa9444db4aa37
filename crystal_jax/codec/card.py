"""The card of a codec: what it was made of, trained on and worth, as JSON."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from typing import Any

import ml_collections
import numpy as np
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.config import to_json
from crystal_jax.codec.model import Model
from crystal_jax.representation.frame import standard_frame
from crystal_jax.structure.elements import element_codes

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
    config: Config from which the model was made; only its `model` is kept.
    name: Name of the codec.
    elements: Symbols of the elements seen in training; None if unknown.
    entries: Further entries, as JSON.
  """
  return {
    'name': name,
    'kind': model.kind,
    'config': json.loads(to_json(config.model)),
    'latent_shape': list(model.networks.latent_shape),
    'fingerprint': fingerprints(params)[0],
    'elements': elements,
    **entries,
    'versions': versions(),
  }


def fingerprints(params: PyTree) -> tuple[str, str]:
  """Fingerprints that identify the latents of a codec.

  Returns:
    The digest of weights, element codes and standard frame, on which latents
    depend; and the digest of the weights alone, which older cards have.
  """
  weights = weights_file.fingerprint(params)
  both = f'{weights} {_conventions()}'.encode()
  return hashlib.sha256(both).hexdigest()[:16], weights


@functools.cache
def _conventions() -> str:
  """Digest of the element codes, and of two crystals in their standard frame.

  Numbers are rounded, so that platforms agree.
  """
  digest = hashlib.sha256()
  digest.update(_rounded_bytes(element_codes()))
  for probe in _PROBES:
    kinds, positions, basis = standard_frame(*map(np.array, probe))
    # The metric: equivalent bases of a symmetric lattice differ in direction.
    for array in (kinds, positions, basis @ basis.T):
      digest.update(_rounded_bytes(array))
  return digest.hexdigest()


def _rounded_bytes(array) -> bytes:
  return np.rint(1000 * np.asarray(array, np.float64)).astype('<i8').tobytes()


# Numbers, fractional coordinates and cell: a triclinic crystal, and a
# tetragonal one (rutile) in an unusual basis.
_PROBES: tuple[tuple[list, list, list], ...] = (
  (
    [26, 8, 16, 3],
    [[0.11, 0.2, 0.3], [0.62, 0.35, 0.81], [0.43, 0.9, 0.1], [0.87, 0.6, 0.55]],
    [[4.2, 0.3, 0.1], [0.6, 5.1, 0.4], [0.2, 0.9, 6.3]],
  ),
  (
    [22, 22, 8, 8, 8, 8],
    [
      [0, 0, 0], [0.5, 0.5, 0.5], [0.3053, 0.3053, 0],
      [0.6947, 0.6947, 0], [0.8053, 0.1947, 0.5], [0.1947, 0.8053, 0.5],
    ],
    [[0, 4.594, 0], [0, 0, 4.594], [2.959, 0, 0]],
  ),
)  # fmt: skip


def versions() -> dict[str, str]:
  """Versions of this package and of the libraries that latents depend on."""
  import crystal_jax

  found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  return {'crystal_jax': crystal_jax.__version__, **found}
