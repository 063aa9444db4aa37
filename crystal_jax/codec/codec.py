"""The public class `Codec`: crystals to latents and back, with trained weights.

  codec = Codec.load('mp_20')
  z = codec.encode([crystal])  # [1, D]
  (again,) = codec.decode(z)

A `Codec` is a model with its weights and a card that says what it was trained
on. It needs no data set. Crystals go through in batches of one size: nothing is
compiled twice, memory does not grow with their number, and results do not
depend on the batch.
"""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from jaxtyping import PyTree

from crystal_jax.codec.array_codec import Crystals
from crystal_jax.codec.property_codec import PropertyCodec
from crystal_jax.structure.composition import Composition
from crystal_jax.structure.crystal import Crystal

if TYPE_CHECKING:
  from crystal_jax import viewer


class UnmetWarning(UserWarning):
  """Some crystals do not meet conditions that were asked; see `Codec.unmet`."""


class Codec(PropertyCodec):
  """Crystals to latents and back, their properties, and draws of new ones.

  Everything that takes crystals takes `Crystal`, `ase.Atoms` and pymatgen's
  `Structure`, one or any number of them; one counts as a list of one.

  Threads may share a codec: `failures`, `residuals` and `certain` are those of
  the calling thread's own last call.

  In four parts: files and arrays (`ArrayCodec`), crystals (`CrystalCodec`),
  properties (`PropertyCodec`), and here draws from the codec's prior.
  """

  def __init__(self, model: Any, params: PyTree, card: Mapping[str, Any]):
    """See `ArrayCodec`."""
    super().__init__(model, params, card)
    self._prior: Any = None

  def sample(
    self,
    n: int,
    seed: int = 0,
    composition: Composition | None = None,
    num_atoms: int | None = None,
    formula_units: int | None = None,
    elements: Collection[str] | None = None,
    exclude_elements: Collection[str] | None = None,
    space_group: int | None = None,
    crystal_system: str | None = None,
    properties: Mapping[str, float] | None = None,
    experimental: bool | None = None,
    guidance: float | None = None,
    temperature: float | None = None,
    exact: bool = False,
  ) -> list[Crystal | None]:
    """Crystals sampled from the codec's prior: n draws, no ranking, no redraw.

    Args:
      n: Number of draws.
      seed: Seed of all random numbers. The first draws do not depend on `n`.
      composition: A ratio, such as 'LiCoO2'. None: sampled.
      num_atoms: Atoms of the primitive cell. None: sampled.
      formula_units: Formula units of the primitive cell, in place of
        `num_atoms`.
      elements: Elements that must occur, and no others: {'Li', 'O'}.
      exclude_elements: Elements that must not occur.
      space_group: 1 to 230. This and the next three are not always met; `unmet`
        lists the crystals of another symmetry.
      crystal_system: 'cubic', 'hexagonal', ..
      properties: Values by name, of those that the prior was trained on.
      experimental: Whether the crystal was observed experimentally.
      guidance: Strength of the conditions; 1: as in the data.
      temperature: Scale of the noise that sampling starts from; 1: as in the
        data, near 0: the crystal that the prior finds likeliest.
      exact: Whether to draw again in place of crystals that are invalid or do
        not have the required symmetry, up to ten draws for each.

    Returns:
      Primitive cells; None where no valid crystal came (distances of 0.5 Å,
      volume of 0.1 Å³), the reason in `failures`.

    Raises:
      FileNotFoundError: If the codec has no prior; see `load_prior`.
      ValueError: If a condition is unknown, or two contradict each other.
    """
    from crystal_jax.generation import sampling
    from crystal_jax.generation.request import Criteria

    criteria = Criteria(
      composition=composition,
      num_atoms=num_atoms,
      formula_units=formula_units,
      elements=elements,
      exclude_elements=exclude_elements,
      space_group=space_group,
      crystal_system=crystal_system,
      properties=properties,
      experimental=experimental,
    )
    return self._draws(
      sampling.sample(
        self,
        self._opened_prior(),
        n,
        criteria,
        seed=seed,
        guidance=guidance,
        temperature=temperature,
        exact=exact,
      )
    )

  def alter(
    self,
    crystal: Crystals,
    n: int,
    strength: float = 0.3,
    seed: int = 0,
    *,
    guidance: float | None = None,
    temperature: float | None = None,
    exact: bool = False,
    **criteria: Any,
  ) -> list[Crystal | None]:
    """Neighbours of a crystal: noise is added to its latent and removed again.

    Args:
      crystal: One crystal.
      n: Number of neighbours.
      strength: Share of noise: near 0 the crystal itself comes back, at 1 a
        draw that does not depend on the crystal.
      seed: Seed of all random numbers.
      guidance: As for `sample`.
      temperature: As for `sample`.
      exact: As for `sample`.
      **criteria: Conditions of `sample`; without `composition`, `elements` and
        `num_atoms` the atoms stay those of the crystal.

    Returns:
      As `sample`.

    Raises:
      FileNotFoundError: As `sample`.
      ValueError: If the crystal cannot be encoded, or as `sample`.
    """
    from crystal_jax.generation import variation
    from crystal_jax.generation.request import Criteria

    return self._draws(
      variation.alter(
        self,
        self._opened_prior(),
        crystal,
        n,
        Criteria(**criteria),
        strength=strength,
        seed=seed,
        guidance=guidance,
        temperature=temperature,
        exact=exact,
      )
    )

  def show(self, crystals: Any, *, level: float = 0.05) -> viewer.Display:
    """A picture for a notebook: decoded atoms beside the decoded density.

    Args:
      crystals: Crystals, which are encoded first, or latents [B, D] or [D] as
        an array; at most 32.
      level: Level of the isosurface, as a share of the density's maximum.

    Returns:
      A page that rotates, and holds everything that it needs; one row for each
      crystal that could be decoded. The density is the networks' occupancy, in
      which all atoms have one height. Codecs of a box show atoms alone.

    Raises:
      ValueError: If a crystal cannot be encoded, none can be decoded, or there
        are too many.
    """
    from crystal_jax.codec import pictures

    return pictures.show(self, crystals, level)

  def load_prior(self, path: str | os.PathLike[str]) -> None:
    """Takes a prior that was trained on this codec's latents.

    Args:
      path: A folder with `prior.safetensors`, or the workdir of a run.

    Raises:
      FileNotFoundError: If there is none.
      ValueError: If it is the prior of another codec.
    """
    from crystal_jax.generation import loading

    self._prior = loading.load_prior(path, self._card.get('fingerprint'))

  @property
  def unmet(self) -> dict[int, list[str]]:
    """Criteria that crystals of the last `sample` or `alter` do not meet.

    By index of the crystal. Each thread has its own.
    """
    return self._last.unmet

  def _opened_prior(self):
    if self._prior is None:
      if self._folder is None:
        raise FileNotFoundError(
          'This codec was not loaded from a folder, so that it has no prior: '
          'codec.load_prior(path) takes one.'
        )
      self.load_prior(self._folder)
    return self._prior

  def _draws(self, draws) -> list[Crystal | None]:
    """Crystals of draws; stores residuals, failures and unmet criteria."""
    # The residual of a draw only tells whether it is as large as noise.
    _, largest = self._refine_config.sample_residual
    comparison = draws.residuals, draws.residuals < largest
    self._last.set(draws.failures, comparison, draws.latents, draws.crystals)
    self._last.unmet = draws.unmet
    if draws.unmet:
      warnings.warn(draws.summary, UnmetWarning, stacklevel=3)
    return draws.crystals


def open_codec(name: str | os.PathLike[str]) -> Codec:
  """A shipped codec by name; a saved one or a run's by path.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If a file is damaged, foreign, or of another version.
  """
  from crystal_jax.codec import loading

  if loading.is_run(pathlib.Path(name)):
    return Codec.from_run(name)
  return Codec.load(name)
