"""Protocols of representations of crystals.

A `Representation` turns crystals into the inputs and targets of networks, and
their outputs into crystals. It may draw random rotations and origins, has no
parameters, and is shared by training, evaluation and codec. `Invertible` adds
what refinement needs, `Coded` what the coded networks and losses need.

To add one: a file beside `box.py`, a maker in `crystal_jax.codec.model.MAKERS`
and an entry in `crystal_jax.tasks.TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from crystal_jax.structure.crystal import Crystal

Arrays = Mapping[str, np.ndarray]


@struct.dataclass
class Examples:
  """Inputs and targets of a batch.

  Attributes:
    inputs: Arguments of `encode`, by name, [B, ..] each.
    targets: True values for losses and scores, by name, [B, ..] each.
    valid: 1, or 0 for padding and for crystals with too many images.
  """

  inputs: dict[str, Array]
  targets: dict[str, Array]
  valid: Float[Array, 'B']


class Representation(Protocol):
  """Crystals to network inputs, and network outputs to crystals."""

  @property
  def input_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of each of `Examples.inputs`, without the batch."""

  def prepare(
    self, arrays: Arrays
  ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Columns of the crystals that the representation accepts; on the host.

    Args:
      arrays: Padded crystals as `data.in_memory` returns them: numbers [M, N],
        positions [M, N, 3] in Å, cell [M, 3, 3] in Å, id [M], and more.

    Returns:
      Columns of the accepted crystals: id, and those that `examples` needs;
      and (id, reason) of the refused ones.
    """

  def sized(self, *arrays: Arrays) -> Self:
    """A representation whose static shapes are large enough for the crystals.

    `examples` needs them. Returns itself if no shape depends on the crystals.
    """

  def examples(self, key: Array | None, batch: Mapping[str, Array]) -> Examples:
    """Examples of one device's batch; traceable.

    Args:
      key: PRNG key; folded with each example's index in the *global* batch, so
        that random numbers do not depend on the number of devices. None:
        nothing is random.
      batch: The columns of `prepare` without id, [B, ..], and index [B], sample
        [B] and mask [B], as for `data.batches`.
    """

  def crystals(self, outputs: Mapping[str, Array]) -> list[Crystal | str]:
    """Crystals of the networks' outputs; on the host.

    Args:
      outputs: Outputs of `decode`, by name, [B, ..] each.

    Returns:
      For each example a crystal, or the reason why there is none.
    """


@runtime_checkable
class Invertible(Representation, Protocol):
  """A representation that encodes decoded crystals again, as they are.

  Refinement compares the latent of a decoded crystal with the given one. The
  decoded crystal stays in its frame; it is not moved to a standard frame.
  """

  @property
  def lattice_is_exact(self) -> bool:
    """Whether the decoded lattice is exactly the encoded one."""

  def encoder_inputs(
    self,
    codes: Float[Array, 'B N C'],
    positions: Float[Array, 'B N 3'],
    cell: Float[Array, 'B 3 3'],
  ) -> dict[str, Array]:
    """Inputs of crystals in the frame of `crystals`; traceable.

    The density is a sum over atoms; no other input depends on the atoms.

    Args:
      codes: Element codes of the atoms; zero in empty slots.
      positions: Cartesian positions, Å.
      cell: Lattice vectors as rows, Å.

    Returns:
      As `Examples.inputs`; NaN for a crystal with too many images.
    """

  def voxel_to_cartesian(
    self, voxel: Int[np.ndarray, '3'], cell: Float[np.ndarray, '3 3']
  ) -> Float[np.ndarray, '3']:
    """Position of a voxel in a crystal with this cell, Å; on the host."""

  def candidates(
    self, outputs: Mapping[str, Array], indices: Sequence[int]
  ) -> list[list[Crystal]]:
    """Further crystals of the outputs, beside that of `crystals`; on the host.

    Args:
      outputs: As for `crystals`.
      indices: Examples of the batch whose candidates are returned.

    Returns:
      For each index a list of candidate crystals; may be empty.
    """


@runtime_checkable
class Coded(Invertible, Protocol):
  """A representation of densities whose channels are element codes.

  Targets of its examples: numbers [B, K] and voxel_positions [B, K, 3] (voxels)
  of the atoms in the grid; positions [B, N, 3] and cell [B, 3, 3], Å, in the
  frame that `crystals` reads; lattice [B, 6] (`lattice_numbers`); occupancy
  [B, G, G, G], a Gaussian of height one at each atom; codes [B, G, G, G, C],
  the density divided by the occupancy.
  """

  @property
  def periodic(self) -> bool:
    """Whether the grid is periodic."""

  def code_field(self, numbers: Int[Array, 'B']) -> Float[Array, 'B G G G C']:
    """The codes of each example's element at every voxel."""
