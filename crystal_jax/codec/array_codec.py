"""A model with its weights and card: its files, and arrays to arrays."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PyTree

from crystal_jax.codec import shipped, summary
from crystal_jax.structure import adapters, display, elements
from crystal_jax.structure.crystal import Crystal

# Crystals of any library: one, or any number of them.
Crystals = Any


class ArrayCodec:
  """Columns of crystals to posteriors, and latents to outputs of the networks.

  The lowest part of `Codec`.
  """

  def __init__(self, model: Any, params: PyTree, card: Mapping[str, Any]):
    """A codec of its parts; users call `load` or `from_run`.

    Args:
      model: A `crystal_jax.codec.model.Model`.
      params: Its parameters.
      card: See `describe`; needs `elements`.
    """
    self._model, self._card = model, dict(card)
    # Heads that a user fitted, beside the networks' parameters.
    self._fitted = dict(params.get('fitted', {}))
    self._params = jax.tree.map(
      jnp.asarray, {n: x for n, x in params.items() if n != 'fitted'}
    )
    known = self._card['elements']
    self._known = known and {elements.number(symbol) for symbol in known}
    self._folder: pathlib.Path | None = None

  @classmethod
  def load(cls, name: str | os.PathLike[str]) -> Self:
    """Loads a shipped or a saved codec.

    Args:
      name: Name of a shipped codec, such as 'mp_20'; or a folder: a string with
        a separator ('./mine') or a `pathlib.Path`.

    Raises:
      FileNotFoundError: If there is none.
      ValueError: If a file is damaged, foreign, or of another version.
    """
    from crystal_jax.codec import loading

    folder = shipped.find(name)
    codec = cls(*loading.load(folder))
    codec._folder = folder
    return codec

  @classmethod
  def from_run(cls, workdir: str | os.PathLike[str]) -> Self:
    """The averaged parameters of a run's latest checkpoint.

    Args:
      workdir: Workdir of `experiments.main`; the data set is not read.

    Raises:
      FileNotFoundError: If it holds no checkpoint.
    """
    from crystal_jax.training import export

    return cls(*export.load_run(workdir))

  def save(
    self,
    folder: str | os.PathLike[str],
    *,
    dtype: str = 'float32',
    notes: Mapping[str, Any] | None = None,
  ) -> None:
    """Writes `weights.safetensors` and `card.json`, which `load` opens.

    Args:
      folder: Made, or replaced if it holds a codec.
      dtype: 'float32' loads with the same latents to 1e-5; 'float16' halves
        the file, moves latents by some 1e-3 and costs no crystals.
      notes: Further entries of the card, as JSON: licence, citation, ..

    Raises:
      FileExistsError: If the folder holds something else.
    """
    from crystal_jax.codec import weights_file

    name = os.path.basename(os.path.abspath(folder))
    card = {**self._card, 'name': name, **(notes or {})}
    params = dict(self._params)
    if self._fitted:
      params['fitted'] = self._fitted
    weights_file.write(folder, params, card, dtype=dtype)

  def describe(self) -> dict[str, Any]:
    """The card: what the codec is, as JSON.

    Among others: config (of the model), elements (seen in training; None if
    unknown), data (files and their sha256), steps, figures, versions; and
    properties: of each that `predict` returns, its units and what is known.
    """
    from crystal_jax.codec import properties

    return {
      **self._card,
      'properties': properties.describe(self._model, self._card),
    }

  def __repr__(self) -> str:
    """Name, size of a latent, what is taken, and what it was trained on."""
    return f'Codec({summary.sentence(self._card, self.size)})'

  def _repr_html_(self) -> str:
    """A table for notebooks."""
    return display.html_table(
      f'Codec {summary.title(self._card)}',
      summary.facts(self._card, self.size)
      | summary.figures(self._card)
      | {'properties': ', '.join(self.describe()['properties']) or 'none'},
    )

  @property
  def model(self) -> Any:
    """The representation and the networks; see `codec.model.Model`."""
    return self._model

  @property
  def params(self) -> PyTree:
    """Parameters of the networks."""
    return self._params

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent before it is flattened."""
    return tuple(self._model.networks.latent_shape)

  @property
  def size(self) -> int:
    """Length of one latent, D."""
    return int(np.prod(self.latent_shape))

  def to_arrays(self, crystals: Crystals) -> tuple[Any, dict[str, np.ndarray]]:
    """Arguments of `encode_arrays`: a model, and a batch of arrays.

    Args:
      crystals: One crystal, or any number.

    Returns:
      This codec's model with room for the images of these crystals (the same
      model, for a codec of a cell), and columns of B crystals of up to N atoms.
      Of a cell: numbers [B, N], fractional [B, N, 3], cell [B, 3, 3], lattice
      [B, 6] in the standard frame. Of a box: numbers, positions [B, N, 3] and
      cell. Of both: index, sample and mask [B].

    Raises:
      ValueError: If a crystal cannot be encoded: its index and the reason.
    """
    from crystal_jax.codec import batching

    found = adapters.to_crystals(crystals)
    for index, crystal in enumerate(found):
      if isinstance(crystal, adapters.Refused):
        raise ValueError(f'Crystal {index}: {crystal.reason}')
    sized, batch = batching.one_batch(
      self._model.representation,
      [crystal for crystal in found if isinstance(crystal, Crystal)],
    )
    return dataclasses.replace(self._model, representation=sized), batch

  def encode_arrays(
    self, batch: Mapping[str, Any], *, model: Any = None, params: Any = None
  ) -> Any:
    """Posteriors of a batch; pure, for jit, vmap and grad.

        model, batch = codec.to_arrays(crystals)
        mean = lambda x: codec.encode_arrays(batch | {'fractional': x}).mean
        jax.jacobian(mean)(batch['fractional'])

    Args:
      batch: Batch returned by `to_arrays`.
      model: Model returned by `to_arrays`; needed by codecs of a box. Static.
      params: Parameters instead of this codec's.

    Returns:
      `Posterior`: mean [B, D], log_var [B, D], valid [B].
    """
    params = self._params if params is None else params
    return (model or self._model).encode_arrays(params, batch)

  def decode_arrays(
    self, z: Float[ArrayLike, 'B D'], *, params: Any = None
  ) -> dict[str, jax.Array]:
    """Outputs of the networks for latents; pure, for jit, vmap and grad.

    Args:
      z: Latents.
      params: Parameters instead of this codec's.

    Returns:
      By name, G voxels a side: occupancy [B, G, G, G] in heights of a lone
      atom, codes of the elements [B, G, G, G, 12], lattice [B, 6], and offsets
      [B, G, G, G, 3] where the networks have them.
      `codec.model.representation.crystals` reads crystals off them, on the
      host.
    """
    params = self._params if params is None else params
    return self._model.decode_arrays(params, jnp.asarray(z))
