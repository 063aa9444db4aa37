"""Densities in a box decoded to atoms and crystals, one `Case` each."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from crystal_jax import lattice_search
from crystal_jax.evaluation import comparison
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms, true_atoms
from crystal_jax.evaluation.predict import Predicted
from crystal_jax.representation import Box
from crystal_jax.representation.lattice_target import target_cell
from crystal_jax.structure import lattice
from crystal_jax.structure.crystal import Crystal

# Nothing nearer than this counts as this far, Å.
FARTHEST = 5.0


@dataclasses.dataclass(frozen=True)
class Case:
  """One crystal, and what became of it.

  Attributes:
    id: Of the crystal.
    true: Its atoms in the box, and those around it.
    decoded: What the decoder found in the networks' density.
    oracle: What it found in the true density; None where that is not asked.
    crystal: Of the decoded atoms, or why there is none.
    lattice_found: Whether its lattice came from the density; otherwise the true
      cell was given.
    lattice_errors: Of a lattice head: largest error of a length (relative) and
      of an angle (degrees) of the Niggli cell; or None.
    mse: Squared error of the density, weight² Å⁻⁶.
    overflow: Whether the decoder ran out of slots.
    picture: True and predicted grids, where they are to be drawn.
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

  def compare(self, which: Atoms) -> comparison.AtomComparison:
    """Atoms found, against the true ones."""
    return comparison.compare_atoms(
      *dataclasses.astuple(self.true),
      *dataclasses.astuple(which),
      farthest=FARTHEST,
    )


def decode_cases(
  box: Box, predicted: Predicted, *, oracle: bool, pictures: int
) -> tuple[list[Case], list[str]]:
  """The cases of one batch.

  Args:
    box: The representation.
    predicted: The batch.
    oracle: Whether to decode the true densities too.
    pictures: How many of them are to be drawn.

  Returns:
    The cases, and the ids of crystals that did not fit the box.
  """
  outputs, examples = predicted.outputs, predicted.examples
  found = box.atoms(outputs['density'], outputs.get('logits'))
  ideal = box.atoms(examples.targets['density']) if oracle else None
  targets, valid = jax.device_get((examples.targets, examples.valid))
  kept = {'density': outputs['density'][..., 0]}
  if 'logits' in outputs:
    kept['labels'] = outputs['logits'].argmax(-1)
  if 'lattice' in outputs:
    kept['lattice'] = outputs['lattice']
  kept, found, ideal = jax.device_get((kept, found, ideal))
  cases, left_out = [], []
  for i, name in enumerate(predicted.ids):
    if not valid[i]:
      left_out.append(name)
      continue
    target = {key: value[i] for key, value in targets.items()}
    output = {key: value[i] for key, value in kept.items()}
    numbers, cell = predicted.batch['numbers'][i], target['cell']
    error = output['density'] - target['density'][..., 0]
    crystal, lattice_found = _crystal(box, found, i, cell)
    cases.append(
      Case(
        id=name,
        true=true_atoms(
          target['positions'],
          numbers,
          cell if box.repeats else None,
          box.grid,
          FARTHEST,
        ),
        decoded=decoded_atoms(found, i),
        oracle=decoded_atoms(ideal, i) if oracle else None,
        crystal=crystal,
        lattice_found=lattice_found,
        lattice_errors=_lattice_errors(output, target, (numbers > 0).sum()),
        mse=float(np.mean(error**2)),
        overflow=bool(found.overflow[i]),
        picture=_picture(target, output) if len(cases) < pictures else None,
      )
    )
  return cases, left_out


def _crystal(box, found, i, cell) -> tuple[Crystal | str, bool]:
  """The decoded crystal, and whether its lattice came from the density.

  A box that repeats shows its lattice. Where it is not found, and in a single
  cell, which shows none, the true cell is given.
  """
  atoms = jax.tree.map(lambda leaf: leaf[i], found)
  crystal = box.crystal(atoms)
  if isinstance(crystal, Crystal):
    return crystal, True
  try:
    return lattice_search.assemble(atoms, cell), False
  except ValueError as error:
    return str(error), False


def _lattice_errors(output, target, num_atoms) -> tuple[float, float] | None:
  """Of a lattice head, after reduction."""
  if 'lattice' not in output:
    return None
  (lengths, angles), (true_lengths, true_angles) = (
    lattice.lengths_and_angles(target_cell(six, num_atoms))
    for six in (output['lattice'], target['lattice'])
  )
  return (
    float(np.max(np.abs(lengths / true_lengths - 1))),
    float(np.max(np.abs(angles - true_angles))),
  )


def _picture(target, output) -> dict[str, np.ndarray]:
  picture = {
    'density': target['density'][..., 0],
    'labels': target['labels'],
    'predicted_density': output['density'],
  }
  if 'labels' in output:
    picture['predicted_labels'] = output['labels']
  return picture
