"""The loss of a coded box: what `coded_terms` lists, and the lattice.

Of the many atoms in a box some are asked in a step. `lattice` is the error of
the six numbers in `lattice_latent.UNITS`, squared where it is small and linear
beyond `_FAR` (Huber), for most lattices are near and a few are hopeless.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.models.lattice_latent import UNITS
from crystal_jax.representation import readout
from crystal_jax.training import coded_terms, losses, metrics

# Units of a lattice number beyond which its error counts linearly.
_FAR = 3.0


@dataclasses.dataclass(frozen=True)
class CodedBoxLossWeights(coded_terms.CodedLossWeights):
  """How the terms of the loss add up.

  Attributes:
    lattice: Of the error of the lattice.
    atoms: Random atoms of a box that are asked in a step; 0: all.
  """

  lattice: float
  atoms: int


@dataclasses.dataclass(frozen=True)
class CodedBoxLoss:
  """The loss of a coded box; a `steps.Loss`.

  Attributes:
    model: A coded box and its networks.
    weights: Of the terms.
    training: Whether a latent is drawn, voxels jitter and some atoms are asked;
      otherwise the latent's mean is decoded, and each atom is asked at the
      nearest voxel.
  """

  model: Model
  weights: CodedBoxLossWeights
  training: bool

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss and what else is reported; see `steps.Loss`."""
    networks, weights = self.model.networks, self.weights
    examples = self.model.representation.examples(None, batch)
    targets, valid = examples.targets, examples.valid
    mean, log_var = networks.encode(params, examples.inputs)
    numbers, places = targets['numbers'], targets['places']
    z, asked = mean, places
    if self.training:
      keys = coded_terms.example_keys(key, batch['index'], 3)
      z = coded_terms.drawn(keys[0], mean, log_var)
      if 0 < weights.atoms < numbers.shape[1]:
        numbers, places = _some(keys[2], numbers, places, weights.atoms)
      asked = coded_terms.jittered(keys[1], places, weights.jitter)
    asked = readout.near(asked, networks.vae.size, periodic=False)
    outputs = networks.decode(params, z, voxels=asked.astype(jnp.int32))
    terms, sums = coded_terms.occupancy_terms(
      outputs['occupancy'], targets['occupancy'], valid, weights
    )
    more = coded_terms.atom_terms(
      outputs, numbers, places - asked, valid, weights
    )
    wrong = (outputs['lattice'] - targets['lattice']) / UNITS[None]
    lattice = optax.huber_loss(wrong, delta=_FAR).mean(-1) * valid
    kl = losses.kl(mean, log_var, 0.0) * valid
    count = valid.sum()
    beta = coded_terms.beta(step, weights)
    terms |= more[0] | {
      'lattice': (weights.lattice * lattice.sum(), count),
      'kl': (beta * kl.sum(), count),
    }
    apart = jnp.abs(wrong).max(-1)
    sums |= more[1] | {
      'lattice_units': ((apart * valid).sum(), count),
      'kl_nats': (kl.sum(), count),
    }
    return terms, jax.lax.stop_gradient(sums)


def _some(keys, numbers, places, most):
  """So many atoms of each box, by chance; all where there are fewer."""

  def one(key, numbers, places):
    order = jax.random.uniform(key, numbers.shape) + (numbers > 0)
    _, chosen = jax.lax.top_k(order, most)
    return numbers[chosen], places[chosen]

  return jax.vmap(one)(keys, numbers, places)
