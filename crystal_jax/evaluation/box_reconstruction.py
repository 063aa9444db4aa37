"""Reconstructions in the paper's box: densities decoded to crystals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float

from crystal_jax import decoding, lattice_search
from crystal_jax.evaluation.atoms import Atoms, atoms_in_box, decoded_atoms
from crystal_jax.evaluation.comparison import (
  MAX_DISTANCE,
  AtomComparison,
  compare_atoms,
)
from crystal_jax.evaluation.predict import Prediction
from crystal_jax.representation import Box
from crystal_jax.representation.lattice_target import target_cell
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class BoxReconstruction:
  """One crystal, and the atoms decoded from its box.

  Attributes:
    id: Id of the crystal in its data set.
    true: Its atoms inside the box and just outside.
    decoded: Atoms decoded from the networks' density.
    oracle: Atoms decoded from the true density. None: not evaluated.
    crystal: The crystal of `decoded`, or the reason why there is none.
    lattice_found: Whether its lattice was found in the density; otherwise it
      was assembled in the true cell.
    lattice_errors: With a lattice head, the largest relative error of a length
      and the largest error of an angle (degrees) of the Niggli cell.
    mse: Mean squared error of the density, weight² Å⁻⁶.
    overflow: Whether the density has more peaks than slots.
    picture: True and predicted grids by name. None: not drawn.
  """

  id: str
  true: Atoms
  decoded: Atoms
  oracle: Atoms | None
  crystal: Crystal | str
  lattice_found: bool
  lattice_errors: tuple[float, float] | None
  mse: float
  overflow: bool
  picture: Mapping[str, np.ndarray] | None = None

  def compare(self, atoms: Atoms) -> AtomComparison:
    """Compares atoms with the true ones."""
    return compare_atoms(self.true, atoms)


def decode_batch(
  box: Box, prediction: Prediction, *, oracle: bool, pictures: int
) -> tuple[list[BoxReconstruction], list[str]]:
  """Decodes one batch.

  Args:
    box: The representation.
    prediction: The batch.
    oracle: Whether to decode the true densities too.
    pictures: Number of crystals that are drawn.

  Returns:
    Reconstructions, and the ids of crystals that have too many images for the
    box.
  """
  outputs, examples = prediction.outputs, prediction.examples
  found = box.atoms(outputs['density'], outputs.get('logits'))
  ideal = box.atoms(examples.targets['density']) if oracle else None
  targets, valid = jax.device_get((examples.targets, examples.valid))
  fields = {'density': outputs['density'][..., 0]}
  if 'logits' in outputs:
    fields['labels'] = outputs['logits'].argmax(-1)
  if 'lattice' in outputs:
    fields['lattice'] = outputs['lattice']
  fields, found, ideal = jax.device_get((fields, found, ideal))
  rows: list[BoxReconstruction] = []
  left_out = []
  for i, id_ in enumerate(prediction.ids):
    if not valid[i]:
      left_out.append(id_)
      continue
    target = {name: value[i] for name, value in targets.items()}
    output = {name: value[i] for name, value in fields.items()}
    numbers, cell = prediction.batch['numbers'][i], target['cell']
    error = output['density'] - target['density'][..., 0]
    crystal, lattice_found = _assemble(box, found, i, cell)
    rows.append(
      BoxReconstruction(
        id=id_,
        true=atoms_in_box(
          target['positions'],
          numbers,
          cell if box.repeats else None,
          box.grid,
          MAX_DISTANCE,
        ),
        decoded=decoded_atoms(found, i),
        oracle=None if ideal is None else decoded_atoms(ideal, i),
        crystal=crystal,
        lattice_found=lattice_found,
        lattice_errors=_lattice_errors(output, target, (numbers > 0).sum()),
        mse=float(np.mean(error**2)),
        overflow=bool(found.overflow[i]),
        picture=_picture(target, output) if len(rows) < pictures else None,
      )
    )
  return rows, left_out


def _assemble(
  box: Box,
  found: decoding.DecodedAtoms,
  index: int,
  cell: Float[np.ndarray, '3 3'],
) -> tuple[Crystal | str, bool]:
  """The decoded crystal, and whether its lattice was found in the density.

  If it is not found, and in a box with a single cell, whose density does not
  contain the lattice, the atoms are assembled in the true cell.
  """
  atoms = jax.tree.map(lambda leaf: leaf[index], found)
  crystal = box.crystal(atoms)
  if isinstance(crystal, Crystal):
    return crystal, True
  try:
    return lattice_search.assemble(atoms, cell), False
  except ValueError as error:
    return str(error), False


def _lattice_errors(
  output: Mapping[str, np.ndarray],
  target: Mapping[str, np.ndarray],
  num_atoms: int,
) -> tuple[float, float] | None:
  """Errors of a lattice head after reduction; None without one."""
  if 'lattice' not in output:
    return None
  (lengths, angles), (true_lengths, true_angles) = (
    lattice.lengths_and_angles(target_cell(numbers, num_atoms))
    for numbers in (output['lattice'], target['lattice'])
  )
  return (
    float(np.max(np.abs(lengths / true_lengths - 1))),
    float(np.max(np.abs(angles - true_angles))),
  )


def _picture(
  target: Mapping[str, np.ndarray], output: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  picture = {
    'density': target['density'][..., 0],
    'labels': target['labels'],
    'predicted_density': output['density'],
  }
  if 'labels' in output:
    picture['predicted_labels'] = output['labels']
  return picture
