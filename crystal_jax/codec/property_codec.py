"""Properties, neighbours and optimisation, by heads on the latents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float, Int

from crystal_jax.codec.array_codec import Crystals
from crystal_jax.codec.crystal_codec import CrystalCodec
from crystal_jax.structure import adapters, pair_statistics
from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from crystal_jax.properties.fitting import Report
  from crystal_jax.properties.optimization import Optimized


class PropertyCodec(CrystalCodec):
  """Reads properties off latents; the part of `Codec` with linear heads."""

  def predict(
    self, crystals: Crystals, *, std: bool = False, skip: bool = False
  ) -> dict[str, Float[np.ndarray, 'B']]:
    """Properties of crystals or of latents, by the linear heads of the codec.

    Units, and how far each can be trusted, are in `describe()['properties']`.

    Args:
      crystals: One crystal, or any number; or an array of latents [B, D].
      std: Add `<name>_std`: what the posterior's noise does to the value. It is
        the least that the error can be, not the error. Needs crystals.
      skip: A crystal that cannot be encoded gives NaN, and its reason in
        `failures`; otherwise it is an error.

    Returns:
      float32 [B] by property. The crystal system is an index into
      `crystal_systems.CRYSTAL_SYSTEMS`, with its probability beside it.

    Raises:
      ValueError: If the codec has no heads, or a crystal cannot be encoded.
    """
    from crystal_jax.codec import properties

    if not properties.describe(self._model, self._card):
      raise ValueError(
        'This codec has no property heads; mp_20 has. fit_head (in the shell '
        'fit-property) makes one of your values.'
      )
    z, spread = self._given_latents(crystals, skip=skip)
    if std and spread is None:
      raise ValueError('Need crystals for std=True: latents have no posterior.')
    return properties.predict(
      self._model, self._params, self._fitted, z, spread if std else None
    )

  def fit_head(
    self,
    crystals: Crystals,
    values: Sequence[float],
    *,
    name: str,
    units: str = '',
    skip: bool = False,
  ) -> Report:
    """Fits a linear head to values of your own.

    `predict` then includes the property, and `save` writes the head with the
    codec.

    Args:
      crystals: Crystals, or an array of latents [B, D]; latents are decoded to
        find their formulas.
      values: One number per crystal; crystals with NaN are left out.
      name: Name of the property.
      units: Unit of the values.
      skip: Whether to leave out crystals that cannot be encoded. False: they
        are an error.

    Returns:
      Errors held out by formula (by crystal, if all have one formula), beside
      those of the composition alone. If the head is no better, use the
      composition.

    Raises:
      ValueError: If there is such a head already, or fewer than two values.
    """
    from crystal_jax.codec import properties
    from crystal_jax.properties import fitting

    if name in properties.describe(self._model, self._card).keys() - set(
      self._fitted
    ):
      raise ValueError(f'The codec has a head called {name!r}; take another.')
    is_latents = isinstance(crystals, (np.ndarray, jax.Array))
    given = crystals if is_latents else adapters.to_crystals(crystals)
    z, _ = self._given_latents(given, skip=skip)
    rows = properties.known_rows(values, z)
    atoms: Any = self.decode(z, refine='none') if is_latents else given
    rows &= np.array([isinstance(each, Crystal) for each in atoms])
    value = np.asarray(values, np.float64)[rows]
    head, report = fitting.fit(
      z[rows],
      value,
      [atoms[i].numbers for i in np.flatnonzero(rows).tolist()],
    )
    self._fitted[name], entry = properties.fitted_entry(
      head, value, report, units
    )
    noted = self._card.get('fitted_properties', {})
    self._card['fitted_properties'] = {**noted, name: entry}
    return report

  def nearest(
    self, query: Crystals, crystals: Crystals, k: int = 10
  ) -> tuple[Int[np.ndarray, 'Q K'], Float[np.ndarray, 'Q K']]:
    """The crystals whose latents are nearest to those of others.

    Squared differences are weighted by what the posterior knows of each number;
    see `properties.neighbors`.

    Args:
      query: Crystals to find neighbours of; or their latents [Q, D].
      crystals: Crystals to find them among; or their latents [B, D].
      k: Neighbours of each.

    Returns:
      Indices into `crystals`, nearest first, and distances. A crystal that is
      among them itself is its own first neighbour, at distance zero.
    """
    from crystal_jax.properties import neighbors

    z, std = self._given_latents(crystals, skip=True)
    ask, ask_std = self._given_latents(query, skip=False)
    std = ask_std if std is None else std[np.isfinite(std).all(1)]
    known = np.ones(self.size) if std is None else neighbors.known_share(std)
    return neighbors.nearest(ask, z, k, known)

  def optimize(
    self,
    crystals: Crystals,
    name: str,
    *,
    steps: int = 10,
    exchanges: int = 24,
    maximize: bool = False,
    refine: str = 'auto',
    seed: int = 0,
  ) -> list[Optimized]:
    """Crystals of a lower property than given ones, by a head.

    Args:
      crystals: Start crystals: one crystal, or any number.
      name: A scalar property of `predict`.
      steps: Steps from each crystal; each is decoded and encoded again.
      exchanges: Crystals with one element exchanged, charges balanced, that
        each step tries too (`baselines.substitution`). 0: the composition
        changes only as the latent does, that is, hardly.
      maximize: Look for a higher property.
      refine: See `decode`.
      seed: Seed of the exchanges.

    Returns:
      Of each the best crystal and what the head reads off its own latent; see
      `properties.optimization`. Crystals with distances that known crystals do
      not have (`pair_statistics.too_near`) are passed over. A head is a guide,
      not a calculation.

    Raises:
      KeyError: If there is no such head.
      ValueError: If a crystal cannot be encoded.
    """
    from crystal_jax.baselines import substitution
    from crystal_jax.codec import properties
    from crystal_jax.properties import optimization

    head = properties.linear_head(self._model, self._params, self._fitted, name)
    sign = -1.0 if maximize else 1.0

    def encode(batch: Sequence[Crystal | None]) -> np.ndarray:
      z = np.full((len(batch), self.size), np.nan, np.float32)
      rows = [i for i, crystal in enumerate(batch) if crystal is not None]
      if rows:
        z[rows] = self._encode([batch[i] for i in rows], skip=True)[0]
      return z

    statistics = pair_statistics.shipped()

    # The head was never trained on atoms nearer than in known crystals.
    def is_sensible(crystal: Crystal | None) -> bool:
      return crystal is not None and not pair_statistics.too_near(
        crystal, statistics
      )

    def decode(z: np.ndarray) -> list[Crystal | None]:
      decoded = self.decode(z, refine=refine)
      return [crystal if is_sensible(crystal) else None for crystal in decoded]

    def exchanged(crystal: Crystal, index: int, step: int) -> list[Crystal]:
      generator = np.random.default_rng([seed, index, step])
      found = (
        substitution.exchange_one(crystal, generator, statistics, self._known)
        for _ in range(exchanges)
      )
      return [each for each in found if each is not None and is_sensible(each)]

    given = adapters.to_crystals(crystals)
    self._encode(given, skip=False)  # Raises if one cannot be encoded.
    start = [each for each in given if isinstance(each, Crystal)]
    kernel = head.kernel
    found = optimization.optimize(
      start,
      encode,
      decode,
      lambda z: sign * self.predict(z)[name],
      -sign * (head.std * kernel / np.sum(kernel**2)).astype(np.float32),
      steps=steps,
      exchanges=exchanged if exchanges else None,
    )
    return [
      dataclasses.replace(
        each, before=sign * each.before, after=sign * each.after
      )
      for each in found
    ]

  def _given_latents(self, crystals, *, skip):
    """Latents as they are given, or mean and deviation of crystals."""
    if isinstance(crystals, (np.ndarray, jax.Array)):
      return self._latents(crystals), None
    mean, log_var = self._encode(crystals, skip=skip)
    return mean, np.exp(0.5 * log_var)
