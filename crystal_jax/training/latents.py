"""Latents of a frozen first stage as a representation of crystals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from crystal_jax.models.vae import latent_noise, sample_latent
from crystal_jax.representation import Arrays, Examples
from crystal_jax.structure.crystal import Crystal
from crystal_jax.training.first_stage import FirstStage, cached_latents


@dataclasses.dataclass(frozen=True)
class Latents:
  """Crystals as latents of a frozen codec; a `Representation`. Static.

  Attributes:
    stage: The codec.
  """

  stage: FirstStage

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of a latent."""
    return {'latent': (self.stage.model.latent_size,)}

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Latents, beside the codec's own columns; see `Representation.prepare`.

    Further columns: latent [M, D], the mean of the posterior, and
    latent_deviation [M, D].
    """
    columns, dropped = self.stage.model.representation.prepare(arrays)
    latents = cached_latents(self.stage, columns)
    columns |= {'latent': latents[:, 0], 'latent_deviation': latents[:, 1]}
    kept = _finite_rows(latents)
    if not kept.all():
      dropped = dropped + [
        (str(name), 'the codec of the first stage cannot encode it')
        for name in columns['id'][~kept]
      ]
      columns = {name: column[kept] for name, column in columns.items()}
    return columns, dropped

  def sized(self, *arrays: Arrays) -> Latents:
    """Returns itself: no shape depends on the crystals."""
    return self

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Latents; see `Representation.examples`.

    Inputs and targets: latent [B, D], a sample of the posterior, or its mean if
    `key` is None.
    """
    z = batch['latent']
    if key is not None:
      keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch['index'])
      log_var = 2 * jnp.log(batch['latent_deviation'])
      z = sample_latent(z, log_var, latent_noise(keys, z.shape[1:]))
    z = jnp.where(batch['mask'][:, None], z, 0)
    return Examples(
      inputs={'latent': z},
      targets={'latent': z},
      valid=batch['mask'].astype(jnp.float32),
    )

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of `outputs['latent']`; see `Representation.crystals`."""
    return self.stage.decode(np.asarray(outputs['latent']))


def _finite_rows(latents) -> Bool[np.ndarray, 'M']:
  """Whether each latent is finite; checks its first number only."""
  return np.isfinite(latents[:, 0, 0]) & np.isfinite(latents[:, 1, 0])
