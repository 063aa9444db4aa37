"""Latents of a coded box decoded to atoms and crystals, one `Case` each.

Where a crystal is lost can be told from further ways to one, each a network
perfect from some step on:

- `true_lattice`: places and species as decoded, the true lattice beside;
- `true_species`: the places as decoded, all else true;
- `oracle`: everything true.

The atoms of `crystal` are those of the crystal that came back, laid in the box
again: what the box shows many times is then told once, and is right or wrong
everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.evaluation import cell_scores, matching
from crystal_jax.evaluation.atoms import Atoms, decoded_atoms, true_atoms
from crystal_jax.evaluation.box_cases import FARTHEST
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.structure.crystal import Crystal

# Ways to a crystal beside the networks' own, and the oracle last.
WAYS = 'sampled', 'true_lattice', 'true_species', 'oracle'


@dataclasses.dataclass(frozen=True)
class Case:
  """One crystal and what came back.

  Attributes:
    id: Of the data set.
    true: As it lies in the box.
    atoms: What the box shows of it.
    decoded: The atoms that were found, by the way they were.
    crystals: Their crystals, or the reasons why there is none.
    occupancy: True and decoded, [2, G, G, G].
    nats: KL of the latent.
    units: Largest error of the lattice that the networks say, in
      `lattice_latent.UNITS`.
    comparison: Of `true` and `found`; None until they were compared.
  """

  id: str
  true: Crystal
  atoms: Atoms
  decoded: Mapping[str, Atoms]
  crystals: Mapping[str, Crystal | str]
  occupancy: np.ndarray
  nats: float
  units: float
  comparison: matching.Comparison | None = None

  @property
  def found(self) -> Crystal | str:
    """What the networks give."""
    return self.crystals['networks']

  def drawn(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places (Å) and numbers of the atoms inside, true and decoded."""
    return [
      (each.positions[each.inside], each.numbers[each.inside])
      for each in (self.atoms, self.decoded['networks'])
    ]


def decode_cases(
  model: Model,
  params: PyTree,
  some: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
  ways: Sequence[str] = (),
) -> list[Case]:
  """Crystals there and back; those that the box cannot show are left out.

  Args:
    model: A coded box.
    params: Its parameters.
    some: Ids and batches, as `predict.batches` gives them.
    ways: Which of `WAYS` are gone beside the networks' own.
  """
  box, ask = model.representation, cell_scores.make_ask(model, params)
  cases = []
  for number, (ids, batch) in enumerate(some):
    key = jax.random.fold_in(jax.random.key(2), number)
    examples, outputs, sampled, nats = ask(key, batch)
    targets, valid = jax.device_get((examples.targets, examples.valid))
    said = _ways(outputs, sampled, examples.targets)
    found = {way: box.atoms(said[way]) for way in ('networks', *ways)}
    said = {way: dict(said[way]) for way in found}
    found, said, nats = jax.device_get((found, said, nats))
    networks = said['networks']
    for i, name in enumerate(ids):
      if not valid[i]:
        continue
      one = {way: _one(every, i) for way, every in found.items()}
      filled = batch['numbers'][i] > 0
      numbers, cell = batch['numbers'][i][filled], targets['cell'][i]
      positions = targets['positions'][i][filled]
      repeats = cell if box.box.repeats else None
      wrong = (networks['lattice'][i] - targets['lattice'][i]) / UNITS
      cases.append(
        Case(
          id=name,
          true=Crystal(numbers, positions, cell),
          atoms=true_atoms(positions, numbers, repeats, box.box.grid, FARTHEST),
          decoded={way: decoded_atoms(found[way][0], i) for way in found},
          crystals={
            way: box.crystal(*one[way], _one(said[way], i)) for way in found
          },
          occupancy=np.stack(
            [targets['occupancy'][i], networks['occupancy'][i]]
          ),
          nats=float(nats[i]),
          units=float(np.abs(wrong).max()),
        )
      )
  return cases


def laid_again(
  case: Case,
  model: Model,
  crystal: Crystal | str | None = None,
  way: str = 'crystal',
) -> Case:
  """The case with one way more: its atoms are those of a crystal.

  Args:
    case: What came back.
    model: A coded box.
    crystal: In the frame of what came back; None: that itself.
    way: What it is called.
  """
  crystal = case.found if crystal is None else crystal
  atoms, box = case.decoded['networks'], model.representation.box
  if isinstance(crystal, Crystal):
    repeats = crystal.cell if box.repeats else None
    atoms = true_atoms(
      crystal.positions, crystal.numbers, repeats, box.grid, FARTHEST
    )
  return dataclasses.replace(
    case,
    decoded={**case.decoded, way: atoms},
    crystals={**case.crystals, way: crystal},
  )


def _ways(outputs, sampled, targets) -> dict[str, dict[str, Array]]:
  """What is read on each way."""
  lattice = {'lattice': targets['lattice']}
  occupancy = {'occupancy': outputs['occupancy']}
  return {
    'networks': outputs,
    'sampled': sampled,
    'true_lattice': {**outputs, **lattice},
    'true_species': {**targets, **occupancy},
    'oracle': targets,
  }


def _one(tree, index):
  return jax.tree.map(lambda leaf: leaf[index], tree)
