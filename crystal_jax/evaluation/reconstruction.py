"""Crystals through the latent of a codec and back, and ablations of that.

The codec's crystal is what `Codec.decode` returns for the mean of the latent.
An ablation replaces a part of the way there, so that the part that loses a
crystal can be told:

- `networks`: the crystal as it is read off the outputs of the networks,
  neither symmetrized nor refined;
- `sampled`: the same for one sample of the posterior;
- `true_lattice`: the same as `networks`, with the true lattice;
- `true_species`: decoded occupancy, everything else true;
- `oracle`: occupancy, species and lattice true, as from perfect networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from crystal_jax.codec.codec import Codec
from crystal_jax.codec.model import Model
from crystal_jax.evaluation.atoms import Atoms
from crystal_jax.evaluation.pair_matching import Comparison
from crystal_jax.evaluation.views import View, make_view
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.models.vae import sample_latent
from crystal_jax.representation import Examples
from crystal_jax.structure.crystal import Crystal, unstack
from crystal_jax.training import losses

ABLATIONS = 'networks', 'sampled', 'true_lattice', 'true_species', 'oracle'
# Seed of the samples of the posterior.
_SEED = 2


@dataclasses.dataclass(frozen=True)
class Reconstruction:
  """One crystal, and what was decoded for it.

  Attributes:
    id: Of the crystal in its data set.
    true: The crystal, in the frame of the representation.
    latent: The mean of its posterior, flat.
    crystals: Decoded crystals, or the reasons why there is none: 'codec', and
      each ablation by its name.
    atoms: The atoms of each, in the view of the representation.
    occupancy: True and decoded, [2, G, G, G].
    kl: KL of the posterior, nats.
    lattice_error: Largest error of the decoded lattice numbers, in
      `lattice_latent.UNITS` (0.3 %, 0.3°).
    read_atoms: The atoms that the outputs of the networks show, whether a
      crystal comes of them or not. None: none without a crystal.
    comparison: Of the codec's crystal with the true one; None before they are
      compared.
  """

  id: str
  true: Crystal
  latent: Float[np.ndarray, 'D']
  crystals: Mapping[str, Crystal | str]
  atoms: Mapping[str, Atoms]
  occupancy: Float[np.ndarray, '2 G G G']
  kl: float
  lattice_error: float
  read_atoms: Atoms | None = None
  comparison: Comparison | None = None

  def with_crystal(
    self,
    name: str,
    crystal: Crystal | str,
    view: View,
    atoms: Atoms | None = None,
  ) -> Reconstruction:
    """The reconstruction with one more decoded crystal.

    Args:
      name: By which it is looked up.
      crystal: In the frame of `true`; or the reason why there is none.
      view: Of the representation.
      atoms: The atoms that the crystal was read from. None: its own, or
        without a crystal `read_atoms`.
    """
    if atoms is None and isinstance(crystal, Crystal):
      atoms = view.atoms(crystal, self.true)
    elif atoms is None:
      atoms = self.read_atoms
    atoms = Atoms.none() if atoms is None else atoms
    return dataclasses.replace(
      self,
      crystals={**self.crystals, name: crystal},
      atoms={**self.atoms, name: atoms},
    )


def reconstruct(
  codec: Codec,
  batches: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
  *,
  ablations: Sequence[str] = ABLATIONS,
  refine: str = 'auto',
) -> list[Reconstruction]:
  """Encodes and decodes crystals, with ablations.

  Args:
    codec: A codec of whole crystals (`Cell` or `CodedBox`).
    batches: Ids and prepared columns, as `predict.batches` yields them.
    ablations: Which of `ABLATIONS` to decode; those that do not apply to the
      representation are left out. 'networks' always is decoded.
    refine: See `Codec.decode`.

  Returns:
    One reconstruction for each crystal that the representation shows.
  """
  rows = read_outputs(codec.model, codec.params, batches, ablations)
  if not rows:
    return []
  view = make_view(codec.model.representation)
  crystals = codec.decode(np.stack([row.latent for row in rows]), refine=refine)
  failures = codec.failures
  return [
    row.with_crystal('codec', crystal or failures[i], view)
    for i, (row, crystal) in enumerate(zip(rows, crystals, strict=True))
  ]


def read_outputs(
  model: Model,
  params: PyTree,
  batches: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
  ablations: Sequence[str] = ABLATIONS,
) -> list[Reconstruction]:
  """As `reconstruct`, with ablations only: nothing is refined."""
  view = make_view(model.representation)
  names = [
    name for name in view.ablations if name in ablations or name == 'networks'
  ]
  forward = make_forward(model, params)
  rows = []
  for number, (ids, batch) in enumerate(batches):
    key = jax.random.fold_in(jax.random.key(_SEED), number)
    result = forward(key, batch)
    ablated = _ablations(result)
    decoded = {name: view.read(ablated[name]) for name in names}
    host: Forward = jax.device_get(result)
    targets = host.examples.targets
    true = unstack(
      Crystal(batch['numbers'], targets['positions'], targets['cell'])
    )
    occupancy = np.stack([targets['occupancy'], host.outputs['occupancy']], 1)
    lattice_errors = np.abs(
      (host.outputs['lattice'] - targets['lattice']) / UNITS
    ).max(axis=1)
    for i, id_ in enumerate(ids):
      if not host.examples.valid[i]:
        continue
      row = Reconstruction(
        id=id_,
        true=true[i],
        latent=np.asarray(host.latent[i]),
        crystals={},
        atoms={},
        occupancy=occupancy[i],
        kl=float(host.kl[i]),
        lattice_error=float(lattice_errors[i]),
        read_atoms=decoded['networks'][i][1],
      )
      for name in names:
        crystal, atoms = decoded[name][i]
        row = row.with_crystal(name, crystal, view, atoms)
      rows.append(row)
  return rows


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Forward:
  """One batch through the networks.

  Attributes:
    examples: Inputs and targets.
    latent: Mean of the posterior, flat.
    outputs: Decoded from the mean.
    sampled: Decoded from one sample.
    kl: KL of the posterior, nats.
  """

  examples: Examples
  latent: Float[Array, 'B D']
  outputs: dict[str, Array]
  sampled: dict[str, Array]
  kl: Float[Array, 'B']


def make_forward(
  model: Model, params: PyTree
) -> Callable[[Array, Mapping[str, np.ndarray]], Forward]:
  """Returns the jitted function `(key, batch) -> Forward`."""

  @jax.jit
  def forward(params, key, batch):
    examples = model.representation.examples(None, batch)
    mean, log_var, _ = model.encode_arrays(params, batch)
    noise = jax.random.normal(key, mean.shape)
    sample = sample_latent(mean, log_var, noise)
    return Forward(
      examples=examples,
      latent=mean,
      outputs=model.decode_arrays(params, mean),
      sampled=model.decode_arrays(params, sample),
      kl=losses.kl(mean, log_var, 0.0),
    )

  return lambda key, batch: forward(params, key, batch)


def _ablations(result: Forward) -> dict[str, dict[str, Array]]:
  """The outputs of each ablation."""
  outputs, targets = result.outputs, result.examples.targets
  return {
    'networks': outputs,
    'sampled': result.sampled,
    'true_lattice': {**outputs, 'lattice': targets['lattice']},
    'true_species': {**targets, 'occupancy': outputs['occupancy']},
    'oracle': targets,
  }
