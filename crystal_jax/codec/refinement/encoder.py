"""Latents of crystals as they were read, and how they change with their atoms.

A crystal that was read off a latent lies where the networks put it, in the cell
or in the box; so it is encoded again there (`Invertible.encoder_inputs`), and
goes to no standard frame first. Shapes are few, so that little is compiled.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.models.networks import Networks
from crystal_jax.representation.protocol import Invertible
from crystal_jax.structure import elements
from crystal_jax.structure.crystal import Crystal

# Atoms that there is room for are a multiple of this.
_SLOTS = 24
# Atoms that are moved together.
_TOGETHER = 4


@dataclasses.dataclass(frozen=True)
class Encoder:
  """The encoder of a model, for crystals as they were read; on the host.

  Attributes:
    representation: An `Invertible` one.
    networks: Whose latents.
    params: Of them.
  """

  representation: Invertible
  networks: Networks
  params: PyTree

  def latents(
    self, crystals: Sequence[Crystal], together: int = 1
  ) -> tuple[Float[np.ndarray, 'B L'], Float[np.ndarray, 'B L']]:
    """Mean and deviation of the posterior of each.

    Args:
      crystals: Without empty slots.
      together: Crystals that go through the networks at once; compiled for
        each such number. None has an influence on another.

    Returns:
      NaN where the representation cannot show one.
    """
    groups = collections.defaultdict(list)
    for place, crystal in enumerate(crystals):
      groups[self._sized(crystal)].append(place)
    size = int(np.prod(self.networks.latent_shape))
    found = np.zeros((2, len(crystals), size), np.float32)
    for (representation, slots), places in groups.items():
      for start in range(0, len(places), together):
        some = places[start : start + together]
        rows = [_padded(crystals[i], slots) for i in some]
        rows += rows[:1] * (together - len(rows))
        atoms = jax.tree.map(lambda *each: np.stack(each), *rows)
        each = _latents(representation, self.networks, self.params, atoms)
        found[:, some] = np.stack(jax.device_get(each))[:, : len(some)]
    return found[0], found[1]

  def changes(
    self, crystal: Crystal, moves: Float[np.ndarray, 'P M 3']
  ) -> Float[np.ndarray, 'P L']:
    """How the mean changes, to first order.

    A density is a sum over atoms, and what a single one adds to it is moved in
    a fraction of the time.

    Args:
      crystal: One of N atoms, without empty slots.
      moves: Of its N atoms, then of its lattice vectors, M = N + 3, Å.
    """
    representation, slots = self._sized(crystal)
    size = len(crystal.numbers)
    model = self.networks, self.params, _padded(crystal, slots)
    one = {'numbers': np.ones((1, 1), int), 'cell': crystal.cell[None]}
    alone = self.representation.sized(one)
    places = np.arange(-(-size // _TOGETHER) * _TOGETHER) % size
    parts = [
      _atom_changes(representation, alone, *model, places[i : i + _TOGETHER])
      for i in range(0, len(places), _TOGETHER)
    ]
    every = np.concatenate(jax.device_get(parts))[:size]
    changes = np.tensordot(moves[:, :size], every, 2)
    if moves[:, size:].any():
      by_cell = np.asarray(_cell_changes(representation, *model))
      changes += np.tensordot(moves[:, size:], by_cell, 2)
    return changes

  def pull(
    self, crystal: Crystal, force: Float[np.ndarray, 'L']
  ) -> Float[np.ndarray, 'N C']:
    """Gradient of force·mean by the element codes of the atoms."""
    representation, slots = self._sized(crystal)
    shown = _padded(crystal, slots)
    found = _pull(representation, self.networks, self.params, shown, force)
    return np.asarray(found)[: len(crystal.numbers)]

  def drawn(
    self, latents: Float[np.ndarray, 'B L']
  ) -> Float[np.ndarray, 'B G G G']:
    """The occupancy that the networks draw of latents."""
    return np.asarray(_drawn(self.networks, self.params, latents))

  def _sized(self, crystal) -> tuple[Invertible, int]:
    """The representation with images enough, and slots; few differ."""
    crystal = crystal.pad(-(-len(crystal.numbers) // _SLOTS) * _SLOTS)
    arrays = {'numbers': crystal.numbers[None], 'cell': crystal.cell[None]}
    return self.representation.sized(arrays), len(crystal.numbers)


def _padded(crystal, slots):
  """Codes, positions and cell, in float32 and without a batch."""
  crystal = crystal.pad(slots)
  return {
    'codes': elements.element_codes()[crystal.numbers].astype(np.float32),
    'positions': np.asarray(crystal.positions, np.float32),
    'cell': np.asarray(crystal.cell, np.float32),
  }


_jit = functools.partial(
  jax.jit, static_argnames=('representation', 'networks')
)


@_jit
def _latents(representation, networks, params, atoms):
  mean, log_var = networks.encode(
    params, representation.encoder_inputs(**atoms)
  )
  flat = len(mean), -1
  return mean.reshape(flat), jnp.exp(0.5 * log_var).reshape(flat)


def _shown(representation, atoms):
  """Inputs of one crystal, as a batch."""
  return representation.encoder_inputs(**{n: x[None] for n, x in atoms.items()})


def _flat_mean(networks, params, inputs) -> Array:
  """Of one crystal, [L]."""
  return networks.encode(params, inputs)[0].reshape(-1)


@functools.partial(
  jax.jit, static_argnames=('representation', 'alone', 'networks')
)
def _atom_changes(representation, alone, networks, params, atoms, places):
  """By positions of some atoms, [K, 3, L]; `alone` shows one by itself."""
  shown = _shown(representation, atoms)
  _, push = jax.linearize(lambda x: _flat_mean(networks, params, x), shown)

  def moved(place):
    one = atoms | {'codes': atoms['codes'][place, None]}

    def shown(position):
      return _shown(alone, one | {'positions': position[None]})

    _, move = jax.linearize(shown, atoms['positions'][place])
    return jax.vmap(move)(jnp.eye(3))

  # An atom at a time: together they take five times as long.
  every = jax.lax.map(moved, places)
  return jax.vmap(jax.vmap(push))(every)


@_jit
def _cell_changes(representation, networks, params, atoms):
  """By lattice vectors where atoms stay, [3, 3, L]."""

  def mean(cell):
    shown = _shown(representation, atoms | {'cell': cell})
    return _flat_mean(networks, params, shown)

  _, push = jax.linearize(mean, atoms['cell'])
  return jax.vmap(jax.vmap(push))(jnp.eye(9).reshape(3, 3, 3, 3))


@_jit
def _pull(representation, networks, params, atoms, force):
  def product(codes):
    shown = _shown(representation, atoms | {'codes': codes})
    return jnp.sum(_flat_mean(networks, params, shown) * force)

  return jax.grad(product)(atoms['codes'])


@functools.partial(jax.jit, static_argnames='networks')
def _drawn(networks, params, latents):
  z = latents.reshape(len(latents), *networks.latent_shape)
  return networks.decode(params, z)['occupancy']
