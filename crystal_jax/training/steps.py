"""The training step, whatever the networks: it is given their loss.

Both steps run under `parallel`: each device has its part of the global batch,
and what they add up to is asked of all of them.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, PyTree

from crystal_jax.training import metrics
from crystal_jax.training.parallel import AXIS
from crystal_jax.training.state import TrainState


class Loss(Protocol):
  """What a model is trained on. Called where `AXIS` names the devices."""

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """The loss of one device's batch.

    Args:
      params: What `Networks.init` returns; differentiated.
      key: For all that is drawn; an example draws by its global `index`.
      batch: What `data.batches` gives, [B, ..] each.
      step: Steps taken so far.

    Returns:
      The terms of the loss, by name, each a weighted sum over this device's
      examples and a count: the loss is the sum over the terms of sum over
      count, each added up over all devices first. And in the same form what
      else is reported.
    """


def make_train_step(
  loss: Loss, optimizer: optax.GradientTransformation, ema_decay: float
) -> Callable[[TrainState, dict], tuple[TrainState, metrics.Sums]]:
  """A step to be run under `parallel_train_step`."""

  def train_step(state, batch):
    key = jax.random.fold_in(state.key, state.step)

    def objective(params):
      terms, sums = loss(params, key, batch, state.step)
      terms = _over_all(terms)
      return sum(total / count for total, count in terms.values()), (
        terms,
        sums,
      )

    grads, (terms, sums) = jax.grad(objective, has_aux=True)(state.params)
    # The loss is a sum over devices, so its gradient is one too.
    grads = lax.psum(grads, AXIS)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # Early on, the average forgets the start faster: (1 + t) / (10 + t).
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    ema = optax.incremental_update(params, state.ema, 1.0 - decay)
    sums = _reported(terms, sums)
    sums['gradient_norm'] = optax.tree.norm(grads), jnp.float32(1.0)
    state = state.replace(
      step=state.step + 1, params=params, opt_state=opt_state, ema=ema
    )
    return state, sums

  return train_step


def make_loss_step(loss: Loss) -> Callable[[PyTree, dict], metrics.Sums]:
  """A step to be run under `parallel_eval_step`: metrics, nothing learnt.

  It takes `{'params', 'key', 'step'}` and a batch.
  """

  def loss_step(variables, batch):
    terms, sums = loss(
      variables['params'], variables['key'], batch, variables['step']
    )
    return _reported(_over_all(terms), sums)

  return loss_step


def _over_all(terms: metrics.Sums) -> metrics.Sums:
  """Sums of this device over the counts of all; one where none was counted."""
  counts = lax.psum({name: count for name, (_, count) in terms.items()}, AXIS)
  return {
    name: (total, jnp.where(counts[name] > 0, counts[name], 1.0))
    for name, (total, _) in terms.items()
  }


def _reported(terms: metrics.Sums, sums: metrics.Sums) -> metrics.Sums:
  """What a step reports, summed over all devices."""
  devices = lax.psum(1, AXIS)
  reported = {
    f'loss_{name}': (total, count / devices)
    for name, (total, count) in terms.items()
  }
  return lax.psum(reported | sums, AXIS)
