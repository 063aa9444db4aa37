"""Frozen first stage: the codec on whose latents a second stage is trained.

The config of the second stage holds the whole `config.model` of the codec and
the fingerprint of its weights; `freeze` puts them there:

  config.model.representation = 'my_prior'  # a task of `crystal_jax.tasks`
  first_stage.freeze(config, 'mp_20', cache='runs/latents')

The codec's parameters stay outside the train state. Its latents are encoded
once, into one file for each split (`cached_latents`); `latents.Latents` is the
representation of a second stage.

References:
  GIVT, arXiv:2312.02116, and its two stages in big_vision.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec import batching, loading, shipped, weights_file
from crystal_jax.codec.config import from_plain
from crystal_jax.codec.model import (
  Model,
  decode_batch,
  encode_batch,
  make_model,
)
from crystal_jax.io import atomic
from crystal_jax.models.networks import Networks
from crystal_jax.representation import Arrays, Representation
from crystal_jax.structure.crystal import Crystal

_log = logging.getLogger(__name__)

# Crystals that are encoded together.
_BATCH = 32


def freeze(
  config: ml_collections.ConfigDict,
  weights: str | os.PathLike[str],
  cache: str | os.PathLike[str] = '',
) -> None:
  """Puts a codec into the config of a second stage, as `model.first_stage`.

  Args:
    config: Config of the second stage, changed in place.
    weights: Name of a shipped codec, or a folder that `Codec.save` wrote.
    cache: Folder of files of latents; '': latents are encoded in every run.
  """
  card = weights_file.read_card(shipped.find(weights))
  stage = ml_collections.ConfigDict()
  stage.weights = os.fspath(weights)
  stage.fingerprint = card['fingerprint']
  stage.cache = os.fspath(cache)
  stage.model = from_plain(card['config'])
  config.model.first_stage = stage


@dataclasses.dataclass(frozen=True)
class FirstStage:
  """A frozen codec. Static.

  Attributes:
    model: The codec's model.
    weights: Folder of its parameters; see `freeze`.
    fingerprint: Fingerprint of the parameters.
    cache: Folder of files of latents; '': none.
  """

  model: Model[Representation, Networks]
  weights: str
  fingerprint: str
  cache: str

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> FirstStage:
    """The first stage of `config.model.first_stage`; reads no weights."""
    return cls(
      make_model(config.model), config.weights, config.fingerprint, config.cache
    )

  @property
  def params(self) -> PyTree:
    """The parameters, read once.

    Raises:
      ValueError: If the weights are not those of the fingerprint.
    """
    return _params(self.weights, self.fingerprint)

  def decode(self, z: Float[np.ndarray, 'B D']) -> list[Crystal | str]:
    """Unrefined crystal of each latent, or the reason why decoding failed."""
    return self.model.representation.crystals(self.outputs(z))

  def outputs(self, z: Float[Array | np.ndarray, 'B D']) -> dict[str, Array]:
    """Outputs of the codec's networks for latents, by name."""
    return decode_batch(self.model, self.params, jnp.asarray(z, jnp.float32))


@functools.lru_cache(maxsize=2)
def _params(weights: str, fingerprint: str) -> PyTree:
  _, params, card = loading.load(shipped.find(weights))
  if card['fingerprint'] != fingerprint:
    raise ValueError(
      f'{weights} holds the weights {card["fingerprint"]}, but the second '
      f'stage was made for the weights {fingerprint}: set '
      'model.first_stage.weights to their folder, or put the weights found '
      'into a new config by first_stage.freeze.'
    )
  return jax.tree.map(jnp.asarray, params)


def cached_latents(
  stage: FirstStage, columns: Arrays
) -> Float[np.ndarray, 'M 2 D']:
  """Means and standard deviations of the posteriors of prepared crystals.

  The first call encodes the crystals and writes a file into `stage.cache`.
  Later calls with the same weights and crystals read this file.

  Args:
    stage: The codec.
    columns: Columns prepared by its representation.

  Returns:
    float32, mapped read-only if from a file; NaN for crystals that cannot be
    encoded.
  """
  if not stage.cache:
    return _encode(stage, columns)
  path = pathlib.Path(stage.cache) / f'{_digest(stage, columns)}.npy'
  if not path.exists():
    path.parent.mkdir(parents=True, exist_ok=True)
    _log.info('Encoding %d crystals into %s.', len(columns['id']), path)
    with atomic.replacing(path) as partial:
      np.save(partial, _encode(stage, columns))
  return np.load(path, mmap_mode='r')


def _encode(stage, columns) -> Float[np.ndarray, 'M 2 D']:
  """Encodes crystals batch by batch; see `cached_latents`."""
  representation = stage.model.representation.sized(columns)
  model = dataclasses.replace(stage.model, representation=representation)
  count = len(columns['id'])
  latents = np.empty((count, 2, model.latent_size), np.float32)
  for start in range(0, count, _BATCH):
    rows = np.arange(start, min(start + _BATCH, count))
    batch = batching.full_batch(columns, rows, _BATCH)
    posterior = jax.device_get(encode_batch(model, stage.params, batch))
    std = np.exp(0.5 * posterior.log_var)
    mean_and_std = np.stack([posterior.mean, std], axis=1)
    mean_and_std[posterior.valid == 0] = np.nan
    latents[rows] = mean_and_std[: len(rows)]
  return latents


def _digest(stage, columns) -> str:
  """Digest of the weights and the crystals, without their ids."""
  digest = hashlib.sha256(stage.fingerprint.encode())
  for name in sorted(columns):
    if columns[name].dtype.kind in 'biuf':
      digest.update(f'{name} {columns[name].shape}'.encode())
      digest.update(np.ascontiguousarray(columns[name]).data)
  return digest.hexdigest()[:32]
