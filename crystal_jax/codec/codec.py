"""Crystals in, latents out, crystals back: what a trained model is for.

  codec = Codec.load('mp_20')
  z = codec.encode([crystal])  # [1, D]
  (again,) = codec.decode(z)

A `Codec` is a model with its weights and a card that says what it was trained
on. It needs no data set. Crystals go through in chunks of one size, so that
nothing is compiled twice, memory does not grow with their number, and what
becomes of one does not depend on its neighbours.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PyTree

from crystal_jax.codec import batching
from crystal_jax.structure import adapters, elements
from crystal_jax.structure.crystal import Crystal

# Which crystals `decode` looks for.
REFINE = 'auto', 'all', 'none'
# A latent's numbers have a deviation of about one; what is this large comes
# from elsewhere.
_LARGEST = 1e4
_SHIPPED = pathlib.Path(__file__).parents[1] / 'weights'

# Crystals that are encoded or decoded: one, or any number of them.
Crystals = Any


class Codec:
  """Crystals to latents and back.

  Everything that takes crystals takes `Crystal`, `ase.Atoms` and pymatgen's
  `Structure`, one or any number of them; one counts as a list of one.

  Attributes:
    failures: Of the last call: the place of each crystal or latent of which
      nothing came, and the reason.
  """

  def __init__(self, model: Any, params: PyTree, card: Mapping[str, Any]):
    """A codec of its parts; `load` and `from_run` are what users want.

    Args:
      model: A `crystal_jax.codec.model.Model`.
      params: Its parameters.
      card: See `describe`; `elements` has to be there.
    """
    self.failures: dict[int, str] = {}
    self._model, self._card = model, dict(card)
    self._params = jax.tree.map(jnp.asarray, params)
    known = self._card['elements']
    self._known = known and {elements.number(symbol) for symbol in known}

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

    return cls(*loading.load(_folder(name)))

  @classmethod
  def from_run(cls, workdir: str | os.PathLike[str]) -> Self:
    """The averaged parameters of a run's latest checkpoint.

    Args:
      workdir: Of `experiments.main`. The data set need not be there.

    Raises:
      FileNotFoundError: If it holds no checkpoint.
    """
    from crystal_jax.codec import loading

    return cls(*loading.from_run(workdir))

  def save(
    self,
    folder: str | os.PathLike[str],
    *,
    dtype: str = 'float16',
    notes: Mapping[str, Any] | None = None,
  ) -> None:
    """Writes `weights.safetensors` and `card.json`, which `load` opens.

    Args:
      folder: Made, or replaced if it holds a codec.
      dtype: 'float16' halves the file at no cost in crystals; or 'float32'.
      notes: Further entries of the card, as JSON: licence, citation, ..

    Raises:
      FileExistsError: If the folder holds something else.
    """
    from crystal_jax.codec import weights_file

    name = os.path.basename(os.path.abspath(folder))
    card = {**self._card, 'name': name, **(notes or {})}
    weights_file.write(folder, self._params, card, dtype=dtype)

  def describe(self) -> dict[str, Any]:
    """The card: what the codec is, as JSON has it.

    Among others: config (of the model), elements (seen in training; None if
    nobody knows), data (files and their sha256), steps, figures, versions.
    """
    return dict(self._card)

  @property
  def latent_shape(self) -> tuple[int, ...]:
    """Shape of one latent before it is flattened."""
    return tuple(self._model.networks.latent_shape)

  @property
  def size(self) -> int:
    """Numbers of one latent, D."""
    return int(np.prod(self.latent_shape))

  def encode(
    self, crystals: Crystals, *, skip: bool = False, std: bool = False
  ) -> (
    Float[np.ndarray, 'B D']
    | tuple[Float[np.ndarray, 'B D'], Float[np.ndarray, 'B D']]
  ):
    """Latents of crystals: the mean of the posterior q(z|crystal).

    A latent is that of the crystal, not of how it is written down: supercells,
    other bases, origins and orders of the atoms give the same one, if the
    representation has it so (that of a cell does).

    Args:
      crystals: One crystal, or any number.
      skip: A crystal that cannot be encoded gives NaN, and its reason in
        `failures`; otherwise it is an error.
      std: Return the posterior's standard deviation too.

    Returns:
      float32 [B, D], all that `decode` needs; with `std` two of them.

    Raises:
      ValueError: If a crystal cannot be encoded: its place and the reason.
    """
    mean, log_var = self._encode(crystals, strict=not skip)
    return (mean, np.exp(0.5 * log_var)) if std else mean

  def kl(self, crystals: Crystals) -> Float[np.ndarray, 'B']:
    """What a latent says, KL(q(z|crystal) ‖ N(0, I)) in nats.

    NaN for a crystal that cannot be encoded, the reason in `failures`.
    """
    mean, log_var = self._encode(crystals, strict=False)
    terms = np.square(mean) + np.exp(log_var) - 1 - log_var
    return 0.5 * terms.sum(axis=1, dtype=np.float64).astype(np.float32)

  def decode(
    self,
    z: Float[ArrayLike, 'B D'],
    *,
    symmetrize: float | None = None,
    refine: str = 'auto',
  ) -> list[Crystal | None]:
    """Crystals of latents.

    What the networks read off a latent is encoded again. Where that is not near
    to the latent, the crystal is looked for whose own latent is: places and
    lattice are fitted, atoms exchanged, removed and added (`latent_search`).

    Args:
      z: Latents as `encode` gives them; one alone may be [D].
      symmetrize: Å. Atoms go to the symmetric places (spglib) that they have
        within this, which takes out much of the networks' error; a distortion
        that is smaller is lost. 0: they stay where the networks have them.
        None: what the card says, or 0.2. A crystal that was looked for and has
        exactly this latent stays as it is.
      refine: Which crystals are looked for: those in doubt ('auto'), 'all',
        whose atoms then are where float32 has them, or 'none', the fastest.

    Returns:
      Of each the primitive cell in a reduced basis, which need not be the cell
      that was encoded; None where no crystal came out, the reason in
      `failures`.

    Raises:
      ValueError: If the latents are not of this codec's size, or there is no
        such search.
    """
    z = np.asarray(z, np.float32)
    z = z[None] if z.ndim == 1 else z
    if z.ndim != 2 or z.shape[1] != self.size:
      raise ValueError(f'Need latents [B, {self.size}], not {list(z.shape)}.')
    from crystal_jax.codec import refinement
    from crystal_jax.representation import Invertible, symmetric_places

    if refine not in REFINE:
      raise ValueError(f'Need {refine=} to be one of {REFINE}.')
    encoder = refinement.Encoder(
      self._model.representation, self._model.networks, self._params
    )
    if not isinstance(self._model.representation, Invertible):
      refine = 'none'
    if symmetrize is None:
      symmetrize = self._card.get('symmetrize', symmetric_places.TOLERANCE)
    self.failures, crystals = {}, [None] * len(z)
    sound = np.abs(z).max(axis=1) < _LARGEST  # NaN is not.
    for place in np.flatnonzero(~sound).tolist():
      finite = np.isfinite(z[place]).all()
      self.failures[place] = (
        f'the latent holds numbers above {_LARGEST:g}: no latent of this codec'
        if finite
        else 'the latent is not finite'
      )
    for places, said, read in self._read(z, np.flatnonzero(sound)):
      found = refinement.finish(
        encoder, z[places], said, read, symmetrize=symmetrize, which=refine
      )
      for place, crystal in zip(places.tolist(), found, strict=True):
        if isinstance(crystal, str):
          self.failures[place] = crystal
        else:
          crystals[place] = crystal
    return crystals

  def _read(self, z, places) -> Iterator[tuple[np.ndarray, dict, list]]:
    """What networks say of latents, a chunk ahead of who asks.

    Yields:
      The places of some latents, what is said of them, and of each a crystal
      or why there is none.
    """

    def read(some):
      # Full, whatever there is, so that one size is compiled.
      rows = np.resize(some, batching.SIZE)
      outputs = _decoded(self._model.networks, self._params, z[rows])
      return outputs, self._model.representation.crystals(outputs)

    step = batching.SIZE
    parts = [places[i : i + step] for i in range(0, len(places), step)]
    with concurrent.futures.ThreadPoolExecutor(1) as ahead:
      every = ahead.map(read, parts)
      for some, (outputs, found) in zip(parts, every, strict=True):
        yield some, outputs, found[: len(some)]

  def reconstruct(
    self, crystals: Crystals, *, refine: str = 'auto'
  ) -> list[Crystal | None]:
    """`decode(encode(crystals))`: None where either fails, and `failures`.

    Args:
      crystals: One crystal, or any number.
      refine: See `decode`.
    """
    mean, _ = self._encode(crystals, strict=False)
    failures = self.failures
    found = self.decode(mean, refine=refine)
    self.failures |= failures  # Why there was no latent, where there was none.
    return found

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
    ends = [*adapters.as_list(a), *adapters.as_list(b)]
    if len(ends) != 2:
      raise ValueError(f'Need two crystals to go between, not {len(ends)}.')
    first, last = self.encode(ends)
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return self.decode((1 - share) * first[None] + share * last[None])

  def _encode(self, crystals, strict):
    """Mean and logarithm of the variance, [B, D] each."""
    crystals = adapters.as_list(crystals)
    mean = np.full((len(crystals), self.size), np.nan, np.float32)
    log_var = mean.copy()
    self.failures = {}

    def fail(place, reason):
      if strict:
        raise ValueError(f'Crystal {place} cannot be encoded: {reason}.')
      self.failures[place] = reason

    for representation, places, batch in batching.batches(
      self._model.representation, crystals, self._known, fail
    ):
      *found, valid = jax.device_get(
        _encoded(representation, self._model.networks, self._params, batch)
      )
      valid = valid & np.isfinite(found[0]).all(axis=1)
      for row, place in enumerate(places):
        if valid[row]:
          mean[place], log_var[place] = (each[row] for each in found)
        else:
          fail(place, 'the model cannot show it')
    self.failures = dict(sorted(self.failures.items()))
    return mean, log_var


def _folder(name: str | os.PathLike[str]) -> pathlib.Path:
  """Where a codec lies."""
  separators = {os.sep, os.altsep or os.sep}
  if not isinstance(name, str) or separators & set(name):
    return pathlib.Path(name)
  folder = _SHIPPED / name
  if name and folder.is_dir():
    return folder
  shipped = sorted(p.name for p in _SHIPPED.glob('*/') if p.is_dir())
  raise FileNotFoundError(
    f'No codec {name!r} is shipped, only {", ".join(shipped) or "none"}; of a '
    f'folder, give a path with a separator: ./{name}.'
  )


@functools.partial(jax.jit, static_argnames=('representation', 'networks'))
def _encoded(representation, networks, params, batch):
  """Mean and log variance, [B, D] each, and whether each example is whole."""
  examples = representation.examples(None, batch)
  found = networks.encode(params, examples.inputs)
  mean, log_var = (
    x.reshape(batching.SIZE, -1).astype(jnp.float32) for x in found
  )
  return mean, log_var, examples.valid > 0


@functools.partial(jax.jit, static_argnames='networks')
def _decoded(networks, params, z):
  return networks.decode(
    params, z.reshape(batching.SIZE, *networks.latent_shape)
  )
