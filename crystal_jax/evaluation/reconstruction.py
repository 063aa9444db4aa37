"""Reconstructions of crystals by a codec, with ablations.

`codec` is `Codec.decode` of the posterior mean. An ablation skips a step or
uses its true value, to find the step that fails:

- `networks`: the crystal read from the network outputs, not symmetrized or
  refined;
- `sampled`: `networks` for one sample of the posterior;
- `true_lattice`: `networks` with the true lattice;
- `true_species`: decoded occupancy; true species and lattice;
- `oracle`: true occupancy, species and lattice, as from perfect networks.
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
# Random seed of the posterior samples.
_SEED = 2


@dataclasses.dataclass(frozen=True)
class Reconstruction:
  """One crystal, and the crystals decoded from its latent.

  Attributes:
    id: Id of the crystal in its data set.
    true: The crystal, in the frame of the representation.
    latent: Mean of its posterior, flat.
    crystals: Decoded crystals, or the reasons why there is none, by name:
      'codec', or the name of an ablation.
    atoms: Atoms of each decoded crystal in the view of the representation.
    occupancy: True and decoded occupancy, [2, G, G, G].
    kl: KL of the posterior, nats.
    lattice_error: Largest error of the decoded lattice numbers, in
      `lattice_latent.UNITS` (0.3 %, 0.3°).
    readout_atoms: Atoms read from the network outputs; they exist even if no
      lattice is found for them. None: the representation reads atoms only as
      part of a crystal.
    comparison: Comparison of the codec's crystal with the true one; None before
      they are compared.
  """

  id: str
  true: Crystal
  latent: Float[np.ndarray, 'D']
  crystals: Mapping[str, Crystal | str]
  atoms: Mapping[str, Atoms]
  occupancy: Float[np.ndarray, '2 G G G']
  kl: float
  lattice_error: float
  readout_atoms: Atoms | None = None
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
      name: 'codec', or the name of an ablation.
      crystal: Crystal in the frame of `true`, or the reason why there is none.
      view: View of the representation.
      atoms: Atoms that the crystal was read from. None: those of the crystal,
        or `readout_atoms` if there is no crystal.
    """
    if atoms is None and isinstance(crystal, Crystal):
      atoms = view.atoms(crystal, self.true)
    elif atoms is None:
      atoms = self.readout_atoms
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
      representation are left out. 'networks' is always decoded.
    refine: See `Codec.decode`.

  Returns:
    One reconstruction per crystal with `Examples.valid`; invalid ones are left
    out.
  """
  rows = reconstruct_unrefined(codec.model, codec.params, batches, ablations)
  if not rows:
    return []
  view = make_view(codec.model.representation)
  crystals = codec.decode(np.stack([row.latent for row in rows]), refine=refine)
  failures = codec.failures
  return [
    row.with_crystal('codec', crystal or failures[i], view)
    for i, (row, crystal) in enumerate(zip(rows, crystals, strict=True))
  ]


def reconstruct_unrefined(
  model: Model,
  params: PyTree,
  batches: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
  ablations: Sequence[str] = ABLATIONS,
) -> list[Reconstruction]:
  """Ablations only: as `reconstruct`, without the codec's refined crystals.

  Args:
    model: Model of a codec of whole crystals (`Cell` or `CodedBox`).
    params: Its parameters.
    batches: Ids and prepared columns, as `predict.batches` yields them.
    ablations: As for `reconstruct`.
  """
  view = make_view(model.representation)
  names = [
    name for name in view.ablations if name in ablations or name == 'networks'
  ]
  forward = make_forward(model, params)
  rows = []
  for number, (ids, batch) in enumerate(batches):
    key = jax.random.fold_in(jax.random.key(_SEED), number)
    result = forward(key, batch)
    outputs = _ablation_outputs(result)
    decoded = {name: view.read(outputs[name]) for name in names}
    host: ForwardPass = jax.device_get(result)
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
        readout_atoms=decoded['networks'][i][1],
      )
      for name in names:
        crystal, atoms = decoded[name][i]
        row = row.with_crystal(name, crystal, view, atoms)
      rows.append(row)
  return rows


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ForwardPass:
  """Network inputs, latents and outputs of one batch.

  Attributes:
    examples: Inputs and targets.
    latent: Mean of the posterior, flat.
    outputs: Network outputs decoded from the mean.
    sampled: Network outputs decoded from one sample of the posterior.
    kl: KL of the posterior, nats.
  """

  examples: Examples
  latent: Float[Array, 'B D']
  outputs: dict[str, Array]
  sampled: dict[str, Array]
  kl: Float[Array, 'B']


def make_forward(
  model: Model, params: PyTree
) -> Callable[[Array, Mapping[str, np.ndarray]], ForwardPass]:
  """Returns the jitted function `(key, batch) -> ForwardPass`."""

  @jax.jit
  def forward(params, key, batch):
    examples = model.representation.examples(None, batch)
    mean, log_var, _ = model.encode_arrays(params, batch)
    noise = jax.random.normal(key, mean.shape)
    sample = sample_latent(mean, log_var, noise)
    return ForwardPass(
      examples=examples,
      latent=mean,
      outputs=model.decode_arrays(params, mean),
      sampled=model.decode_arrays(params, sample),
      kl=losses.kl(mean, log_var, 0.0),
    )

  return lambda key, batch: forward(params, key, batch)


def _ablation_outputs(result: ForwardPass) -> dict[str, dict[str, Array]]:
  """Network outputs of each ablation, by name."""
  outputs, targets = result.outputs, result.examples.targets
  return {
    'networks': outputs,
    'sampled': result.sampled,
    'true_lattice': {**outputs, 'lattice': targets['lattice']},
    'true_species': {**targets, 'occupancy': outputs['occupancy']},
    'oracle': targets,
  }
