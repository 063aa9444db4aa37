"""What a representation of crystals has to do.

A network reads arrays and writes arrays. A `Representation` says which: how a
batch of atoms is shown to it, and how a crystal is read off what it says. It
draws (rotations, origins) but learns nothing, and knows neither batches of
training nor files. Training, evaluation and a codec share one.

To add one: a file beside `box.py`, a maker in `crystal_jax.codec.model.MAKERS`
and an entry in `crystal_jax.tasks.TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from crystal_jax.structure.crystal import Crystal

Arrays = Mapping[str, np.ndarray]


@struct.dataclass
class Examples:
  """A batch as the networks and the losses see it.

  Attributes:
    inputs: What `encode` takes, by name, [B, ..] each.
    targets: What losses and scores compare with, by name, [B, ..] each.
    valid: 1, or 0 for padding and for what could not be shown after all.
  """

  inputs: dict[str, Array]
  targets: dict[str, Array]
  valid: Float[Array, 'B']


class Representation(Protocol):
  """How a crystal is shown to a network and read back from what it says."""

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of each of `Examples.inputs`, without the batch."""

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """The crystals that can be shown, and the columns it takes; on the host.

    Args:
      arrays: Padded crystals as `data.in_memory` gives them: numbers [M, N],
        positions [M, N, 3] in Å, cell [M, 3, 3] in Å, id [M], and more.

    Returns:
      Columns of the crystals that are kept: numbers, positions, cell, id and
      what `examples` needs beside them; and (id, reason) of those that are not.
    """

  def sized(self, *arrays: Arrays) -> Representation:
    """The same, with static shapes that are enough for all these crystals.

    Only `examples` needs it. Itself, where no shape depends on the crystals.
    """

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Examples of one device's batch; traceable.

    Args:
      key: An example draws from it by its index in the *global* batch, so that
        the draw does not depend on how many devices there are. None: nothing
        is drawn, and crystals are shown as they are given.
      batch: The columns of `prepare` (but id), [B, ..], and index [B], sample
        [B] and mask [B], as `data.batches` gives them.
    """

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """What the networks say of a batch, as crystals; on the host.

    Args:
      outputs: Of `decode`, by name, [B, ..] each.

    Returns:
      For each a crystal, or the reason why there is none.
    """


@runtime_checkable
class Invertible(Representation, Protocol):
  """One whose networks can be asked about crystals that were read off latents.

  Such a crystal lies where it was read, and is not moved to a standard frame.
  """

  @property
  def lattice_is_exact(self) -> bool:
    """Whether the lattice that is read is the one that was encoded."""

  def encoder_inputs(
    self,
    codes: Float[Array, 'B N C'],
    positions: Float[Array, 'B N 3'],
    cell: Float[Array, 'B 3 3'],
  ) -> dict[str, Array]:
    """Inputs of crystals as `crystals` gives them; traceable.

    The density is a sum over atoms, and nothing else depends on them.

    Args:
      codes: Element codes of the atoms; zero in empty slots.
      positions: Å.
      cell: Lattice vectors as rows, Å.

    Returns:
      As `Examples.inputs`; NaN where a crystal has too many images.
    """

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Where a voxel lies in a crystal of this lattice, Å; on the host."""

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """Other readings of the outputs, beside that of `crystals`; on the host.

    Args:
      outputs: As `crystals` takes them.
      indices: Examples of the batch that are read.

    Returns:
      For each index its candidate crystals, maybe none.
    """


@runtime_checkable
class Coded(Invertible, Protocol):
  """A representation of densities whose channels are element codes.

  Targets of its examples: numbers [B, K] and voxel_positions [B, K, 3] (voxels)
  of the atoms in the grid; positions [B, N, 3] and cell [B, 3, 3], Å, in the
  frame that `crystals` reads; lattice [B, 6] (`lattice_numbers`); occupancy
  [B, G, G, G], a Gaussian of height one at each atom; codes [B, G, G, G, C],
  the density over the occupancy, which is how the density itself shows species.
  """

  @property
  def periodic(self) -> bool:
    """Whether the grid is periodic."""

  def code_field(self, numbers: Int[Array, 'B']) -> Float[Array, 'B G G G C']:
    """The codes of one element at every voxel, one element an example."""
