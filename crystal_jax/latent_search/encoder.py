"""Latents of crystals as they were read, and how they change with their atoms.

A crystal that was read off a latent lies where the networks put it, in the cell
or in the box; so it is shown to them again there (`Representation.shown`), and
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

from crystal_jax import elements
from crystal_jax.crystal import Crystal
from crystal_jax.models.networks import Networks
from crystal_jax.representation.protocol import Invertible

# Atoms that there is room for are a multiple of this.
_SLOTS = 24
# Changes that are pushed through the networks together.
_TOGETHER = 12


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

    Args:
      crystal: One of N atoms, without empty slots.
      moves: Of its N atoms, then of its lattice vectors, M = N + 3, Å.
    """
    representation, slots = self._sized(crystal)
    size = len(crystal.numbers)
    padded = -(-len(moves) // _TOGETHER) * _TOGETHER
    atoms = np.zeros((padded, slots, 3), np.float32)
    atoms[: len(moves), :size] = moves[:, :size]
    cells = np.zeros((padded, 3, 3), np.float32)
    cells[: len(moves)] = moves[:, size:]
    shown = _padded(crystal, slots)
    parts = [
      _changes(
        representation,
        self.networks,
        self.params,
        shown,
        atoms[start : start + _TOGETHER],
        cells[start : start + _TOGETHER],
      )
      for start in range(0, padded, _TOGETHER)
    ]
    return np.concatenate(jax.device_get(parts))[: len(moves)]

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
  mean, log_var = networks.encode(params, representation.shown(**atoms))
  flat = len(mean), -1
  return mean.reshape(flat), jnp.exp(0.5 * log_var).reshape(flat)


def _mean(representation, networks, params, atoms) -> Array:
  """Of one crystal, [L]."""
  several = jax.tree.map(lambda x: jnp.asarray(x)[None], atoms)
  mean, _ = networks.encode(params, representation.shown(**several))
  return mean.reshape(-1)


@_jit
def _changes(representation, networks, params, atoms, moves, strains):
  def mean(positions, cell):
    moved = atoms | {'positions': positions, 'cell': cell}
    return _mean(representation, networks, params, moved)

  _, push = jax.linearize(mean, atoms['positions'], atoms['cell'])
  return jax.vmap(push)(moves, strains)


@_jit
def _pull(representation, networks, params, atoms, force):
  def product(codes):
    mean = _mean(representation, networks, params, atoms | {'codes': codes})
    return jnp.sum(mean * force)

  return jax.grad(product)(atoms['codes'])


@functools.partial(jax.jit, static_argnames='networks')
def _drawn(networks, params, latents):
  z = latents.reshape(len(latents), *networks.latent_shape)
  return networks.decode(params, z)['occupancy']
