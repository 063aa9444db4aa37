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

import dataclasses
import os
import pathlib
import threading
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PyTree

from crystal_jax.codec import shipped, summary
from crystal_jax.codec.property_methods import PropertyMethods
from crystal_jax.structure import adapters, display, elements
from crystal_jax.structure.crystal import Crystal

# Which crystals `decode` refines.
REFINE = 'auto', 'all', 'none'

# Crystals that are encoded or decoded: one, or any number of them.
Crystals = Any


class Codec(PropertyMethods):
  """Crystals to latents and back.

  Everything that takes crystals takes `Crystal`, `ase.Atoms` and pymatgen's
  `Structure`, one or any number of them; one counts as a list of one.

  Threads may share a codec: `failures`, `residuals` and `certain` are those of
  the calling thread's own last call.
  """

  def __init__(self, model: Any, params: PyTree, card: Mapping[str, Any]):
    """A codec of its parts; users call `load` or `from_run`.

    Args:
      model: A `crystal_jax.codec.model.Model`.
      params: Its parameters.
      card: See `describe`; needs `elements`.

    Raises:
      ValueError: If the card's `refine` has fields that do not exist.
    """
    from crystal_jax.codec import refinement

    self._model, self._card = model, dict(card)
    # Heads that a user fitted, beside the networks' parameters.
    self._fitted = dict(params.get('fitted', {}))
    self._params = jax.tree.map(
      jnp.asarray, {n: x for n, x in params.items() if n != 'fitted'}
    )
    known = self._card['elements']
    self._known = known and {elements.number(symbol) for symbol in known}
    self._refine_config = refinement.RefineConfig.from_card(self._card)
    self._last = _LastCall()
    self._folder: pathlib.Path | None = None
    self._prior: Any = None

  @classmethod
  def load(cls, name: str | os.PathLike[str]) -> Self:
    """Opens a codec that is shipped, or one that was saved.

    Args:
      name: Of a shipped one, such as 'mp_20'; or a folder, which has a
        separator in it ('./mine') or is a `pathlib.Path`.

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
      workdir: Of `experiments.main`; the data set is not read.

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
    """Numbers of one latent, D."""
    return int(np.prod(self.latent_shape))

  def to_arrays(self, crystals: Crystals) -> tuple[Any, dict[str, np.ndarray]]:
    """What `encode_arrays` takes: a model, and a batch of arrays.

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
      batch: Of `to_arrays`.
      model: Of `to_arrays`; needed by codecs of a box. Static.
      params: Parameters instead of this codec's.

    Returns:
      `Posterior`: mean [B, D], log_var [B, D], valid [B].
    """
    params = self._params if params is None else params
    return (model or self._model).encode_arrays(params, batch)

  def decode_arrays(
    self, z: Float[jax.Array, 'B D'], *, params: Any = None
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
    return self._model.decode_arrays(params, z)

  @property
  def failures(self) -> dict[int, str]:
    """Of this thread's last call: the reason by index where nothing came."""
    return self._last.failures

  @property
  def residuals(self) -> Float[np.ndarray, 'B']:
    """Of this thread's last decoding: distance of own and given latent.

    The mean over the latent of ((mean - z) / std)², where mean and std are of
    the decoded crystal's own posterior. 0: its latent is exactly the given one.
    About 1: the given one is a sample of its posterior. NaN where nothing came,
    and of codecs that cannot encode a crystal where it was decoded.
    """
    return self._compared()[0]

  @property
  def certain(self) -> np.ndarray:
    """Of this thread's last decoding: which crystals can be trusted, bool [B].

    Those whose residual is that of the right crystal: nearly 0 after a
    refinement and small without one, or like noise of the posterior.
    benchmarks/RESULTS.md has the share that is right. False where nothing came.
    """
    return self._compared()[1]

  def encode(
    self, crystals: Crystals, *, skip: bool = False, std: bool = False
  ) -> (
    Float[np.ndarray, 'B D']
    | tuple[Float[np.ndarray, 'B D'], Float[np.ndarray, 'B D']]
  ):
    """Latents of crystals: the mean of the posterior q(z|crystal).

    Supercells, other bases, origins and orders of the atoms of one crystal give
    the same latent, with codecs of a cell.

    Args:
      crystals: One crystal, or any number.
      skip: A crystal that cannot be encoded gives NaN, and its reason in
        `failures`; otherwise it is an error.
      std: Return the posterior's standard deviation too.

    Returns:
      float32 [B, D], all that `decode` needs; with `std` two of them.

    Raises:
      ValueError: If a crystal cannot be encoded: its index and the reason.
    """
    mean, log_var = self._encode(crystals, skip=skip)
    return (mean, np.exp(0.5 * log_var)) if std else mean

  def kl(self, crystals: Crystals) -> Float[np.ndarray, 'B']:
    """KL(q(z|crystal) ‖ N(0, I)) in nats: the information in a latent.

    NaN for a crystal that cannot be encoded, the reason in `failures`.
    """
    mean, log_var = self._encode(crystals, skip=True)
    terms = np.square(mean) + np.exp(log_var) - 1 - log_var
    return 0.5 * terms.sum(axis=1, dtype=np.float64).astype(np.float32)

  def decode(
    self,
    z: Float[ArrayLike, 'B D'],
    *,
    composition: Any = None,
    num_atoms: Any = None,
    symmetrize: float | None = None,
    refine: str = 'auto',
  ) -> list[Crystal | None]:
    """Crystals of latents.

    Each decoded crystal is encoded again. If the two latents disagree, the
    crystal is refined: Gauss-Newton steps on positions and lattice, and atoms
    substituted, removed and added. Only elements of the card are decoded.

    Args:
      z: Latents as `encode` gives them; one alone may be [D].
      composition: Formula of all crystals, such as 'LiFePO4', or a list with
        one for each latent: exactly these atoms are decoded, in as many formula
        units as there are in the latent or as `num_atoms` says. A codec of
        cells.
      num_atoms: Atoms of each primitive cell, or a list with one for each.
      symmetrize: Å. Atoms move to the symmetric positions (spglib) that they
        have within this, which removes much of the networks' error; a smaller
        distortion is lost. 0: none move. None: what the card says, or 0.2. A
        refined crystal that has exactly this latent stays as it is.
      refine: Which crystals are refined: 'auto' (those whose latent disagrees),
        'all' (positions are then exact to float32) or 'none', the fastest.

    Returns:
      The primitive cells in a reduced basis, which need not be the cells that
      were encoded; None where no crystal came out, the reason in `failures`.
      `residuals` and `certain` say how far each can be trusted.

    Raises:
      ValueError: If the latents are not of this codec's size, `refine` is none
        of the three, or composition and number of atoms are at odds.
    """
    z = np.asarray(z, np.float32)
    z = z[None] if z.ndim == 1 else z
    if z.ndim != 2 or z.shape[1] != self.size:
      raise ValueError(f'Need latents [B, {self.size}], not {list(z.shape)}.')
    if refine not in REFINE:
      raise ValueError(f'Need {refine=} to be one of {REFINE}.')
    from crystal_jax.codec import decoding
    from crystal_jax.representation import symmetric_positions
    from crystal_jax.structure.composition import contents_of

    if symmetrize is None:
      symmetrize = self._card.get('symmetrize', symmetric_positions.TOLERANCE)
    results = decoding.decode_latents(
      self._model,
      self._params,
      z,
      symmetrize=symmetrize,
      refine=refine,
      config=self._refine_config,
      allowed=self._known,
      contents=contents_of(composition, num_atoms, len(z)),
    )
    crystals = [
      result.crystal if isinstance(result.crystal, Crystal) else None
      for result in results
    ]
    failures = {
      index: result.crystal
      for index, result in enumerate(results)
      if isinstance(result.crystal, str)
    }
    compared = None
    if refine != 'none':
      compared = (
        np.array([result.residual for result in results], np.float64),
        np.array([result.certain for result in results], bool),
      )
    self._last.set(failures, compared, z, crystals)
    return crystals

  def reconstruct(
    self, crystals: Crystals, *, refine: str = 'auto'
  ) -> list[Crystal | None]:
    """`decode(encode(crystals))`: None where either fails, and `failures`.

    Args:
      crystals: One crystal, or any number.
      refine: See `decode`.
    """
    mean, _ = self._encode(crystals, skip=True)
    failures = self.failures
    decoded = self.decode(mean, refine=refine)
    # Why there was no latent, where there was none.
    self._last.failures = {**self._last.failures, **failures}
    return decoded

  def interpolate(
    self, a: Crystals, b: Crystals, steps: int = 9
  ) -> list[Crystal | None]:
    """Crystals along the straight line between two latents, ends included.

    Args:
      a: One crystal.
      b: Another.
      steps: How many crystals, at least two.

    Raises:
      ValueError: If there are fewer steps, or an end cannot be encoded.
    """
    if steps < 2:
      raise ValueError(f'Need {steps=} to be at least 2, the two ends.')
    ends = [*adapters.to_crystals(a), *adapters.to_crystals(b)]
    if len(ends) != 2:
      raise ValueError(f'Need two crystals to go between, not {len(ends)}.')
    first, last = self._encode(ends, skip=False)[0]
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return self.decode((1 - share) * first[None] + share * last[None])

  def sample(
    self,
    n: int,
    seed: int = 0,
    composition: Any = None,
    num_atoms: int | None = None,
    formula_units: int | None = None,
    elements: Collection[str] | None = None,
    exclude_elements: Collection[str] | None = None,
    space_group: int | None = None,
    crystal_system: str | None = None,
    properties: Mapping[str, float] | None = None,
    experimental: bool | None = None,
    guidance: float | None = None,
    exact: bool = False,
  ) -> list[Crystal | None]:
    """Crystals drawn from the codec's prior: n draws, no ranking, no redraw.

    Args:
      n: How many.
      seed: Of all random numbers. The first draws do not depend on `n`.
      composition: A ratio, such as 'LiCoO2'. None: drawn.
      num_atoms: Atoms of the primitive cell. None: drawn.
      formula_units: Formula units of the primitive cell, in place of
        `num_atoms`.
      elements: Elements that have to be there, and no others: {'Li', 'O'}.
      exclude_elements: Elements that may not be there.
      space_group: 1 to 230. A wish, as the four below: `unmet` says which
        crystals are not so.
      crystal_system: 'cubic', 'hexagonal', ..
      properties: Values by name, of those that the prior was trained on.
      experimental: Whether it was seen in an experiment.
      guidance: How much the conditions count; 1: as in the data.
      exact: Draw again what is not valid or whose symmetry is not as asked, up
        to ten draws for each crystal.

    Returns:
      Primitive cells; None where no valid crystal came (distances of 0.5 Å,
      volume of 0.1 Å³), the reason in `failures`.

    Raises:
      FileNotFoundError: If the codec has no prior; see `load_prior`.
      ValueError: If a condition is unknown, or two are at odds.
    """
    from crystal_jax.generation import sampling

    return self._draws(
      sampling.sample(
        self,
        self._opened_prior(),
        n,
        seed=seed,
        composition=composition,
        num_atoms=num_atoms,
        formula_units=formula_units,
        elements=elements,
        exclude_elements=exclude_elements,
        space_group=space_group,
        crystal_system=crystal_system,
        properties=properties,
        experimental=experimental,
        guidance=guidance,
        exact=exact,
      )
    )

  def alter(
    self,
    crystal: Crystals,
    n: int,
    strength: float = 0.3,
    seed: int = 0,
    **conditions: Any,
  ) -> list[Crystal | None]:
    """Neighbours of a crystal: noise on its latent, and the way back.

    Args:
      crystal: One crystal.
      n: How many neighbours.
      strength: Share of the way to noise: near 0 the crystal itself comes back,
        1 is a draw that has forgotten it.
      seed: Of all random numbers.
      **conditions: As of `sample`; without `composition`, `elements` and
        `num_atoms` the atoms stay those of the crystal.

    Returns:
      As `sample`.

    Raises:
      FileNotFoundError: As `sample`.
      ValueError: If the crystal cannot be encoded, or as `sample`.
    """
    from crystal_jax.generation import sampling

    return self._draws(
      sampling.alter(
        self,
        self._opened_prior(),
        crystal,
        n,
        strength=strength,
        seed=seed,
        **conditions,
      )
    )

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
    """Of this thread's last `sample` or `alter`: what was asked and is not so.

    By index of the crystal.
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
    """Crystals of draws, and what there is to say of them."""
    # Of a draw, all that a residual tells is whether it is as large as noise.
    _, largest = self._refine_config.sample_residual
    compared = draws.residuals, draws.residuals < largest
    self._last.set(draws.failures, compared, draws.latents, draws.crystals)
    self._last.unmet = draws.unmet
    if draws.unmet:
      warnings.warn(draws.summary, stacklevel=3)
    return draws.crystals

  def _encode(self, crystals, *, skip):
    """Mean and logarithm of the variance, [B, D] each."""
    from crystal_jax.codec import encoding

    mean, log_var, failures = encoding.encode_crystals(
      self._model,
      self._params,
      adapters.to_crystals(crystals),
      self._known,
      skip=skip,
    )
    self._last.failures = failures
    return mean, log_var

  def _compared(self) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the last decoding, and which crystals are certain.

    With `refine='none'` they are encoded when this is first asked.
    """
    from crystal_jax.codec import refinement
    from crystal_jax.representation import Invertible

    last, model = self._last, self._model
    if last.compared is None:
      if isinstance(model.representation, Invertible):
        encoder = refinement.Encoder(
          model.representation, model.networks, self._params
        )
        last.compared = refinement.compare(
          encoder, last.z, last.crystals, self._refine_config
        )
      else:
        size = len(last.crystals)
        last.compared = np.full(size, np.nan), np.zeros(size, bool)
    return last.compared


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


class _LastCall(threading.local):
  """What a thread's last call left beside its result."""

  failures: dict[int, str]
  compared: tuple[np.ndarray, np.ndarray] | None
  z: np.ndarray
  crystals: list[Crystal | None]

  def __init__(self):
    self.set({}, None, np.zeros((0, 0)), [])

  def set(self, failures, compared, z, crystals) -> None:
    """Replaces all of it."""
    self.failures, self.compared = failures, compared
    self.z, self.crystals = z, crystals
    self.unmet: dict[int, list[str]] = {}
