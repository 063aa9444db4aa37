"""The loss of a cell model: what `coded_terms` lists, in a periodic cell.

The KL of the lattice's six numbers, which are not learnt, is reported but not
in the loss.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from crystal_jax.codec.model import Model
from crystal_jax.training import coded_terms, losses, metrics


@dataclasses.dataclass(frozen=True)
class CellLoss:
  """The loss of a cell model; a `steps.Loss`.

  Attributes:
    model: A cell and its networks.
    weights: Of the terms.
    training: Whether a latent is drawn and voxels jitter; otherwise the
      latent's mean is decoded, and the nearest voxels are asked.
  """

  model: Model
  weights: coded_terms.CodedLossWeights
  training: bool

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """Terms of the loss and what else is reported; see `steps.Loss`."""
    networks, weights = self.model.networks, self.weights
    examples = self.model.representation.examples(None, batch)
    targets, valid = examples.targets, examples.valid
    mean, log_var = networks.encode(params, examples.inputs)
    size = networks.vae.size
    places = targets['fractional'] * size
    z, asked = mean, places
    if self.training:
      keys = coded_terms.example_keys(key, batch['index'], 2)
      z = coded_terms.drawn(keys[0], mean, log_var)
      asked = coded_terms.jittered(keys[1], places, weights.jitter)
    asked = jnp.round(asked)
    outputs = networks.decode(params, z, voxels=asked.astype(jnp.int32) % size)
    terms, sums = coded_terms.occupancy_terms(
      outputs['occupancy'], targets['occupancy'], valid, weights
    )
    more = coded_terms.atom_terms(
      outputs, targets['numbers'], places - asked, valid, weights
    )
    learnt = losses.kl(mean[:, :-6], log_var[:, :-6], 0.0) * valid
    lattice = losses.kl(mean[:, -6:], log_var[:, -6:], 0.0) * valid
    count = valid.sum()
    beta = coded_terms.beta(step, weights)
    terms |= more[0] | {'kl': (beta * learnt.sum(), count)}
    sums |= more[1] | {'kl_nats': ((learnt + lattice).sum(), count)}
    return terms, jax.lax.stop_gradient(sums)
