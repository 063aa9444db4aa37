"""Training and evaluation steps of any loss.

Both run on all devices at once, by `parallel`: each device has a slice of the
global batch, and sums over examples are added over the devices.
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
  """The loss of a model, called inside `parallel`, where `AXIS` is bound."""

  def __call__(
    self, params: PyTree, key: Array, batch: Mapping[str, Array], step: Array
  ) -> tuple[metrics.Sums, metrics.Sums]:
    """The loss of one device's batch.

    Args:
      params: Parameters, as returned by `Predictor.init`; differentiated.
      key: PRNG key of the step, the same on all devices; to be folded with each
        example's global `index`.
      batch: A batch of `data.batches`, [B, ..] each.
      step: Number of steps taken.

    Returns:
      The terms of the loss by name, each a weighted sum over this device's
      examples and a count, and further metrics in the same form. Sums and
      counts are added over all devices; the loss is the sum over the terms of
      sum / count.
    """


def make_train_step(
  loss: Loss, optimizer: optax.GradientTransformation, ema_decay: float
) -> Callable[[TrainState, dict], tuple[TrainState, metrics.Sums]]:
  """A training step, `(state, batch) -> (state, metrics)`.

  To be called by `parallel.parallel_train_step`.

  Args:
    loss: The loss.
    optimizer: Optimizer of the parameters.
    ema_decay: Decay of the averaged parameters in one step. In the first steps
      it is smaller, so that the average forgets the initial parameters.
  """

  def train_step(state, batch):
    key = jax.random.fold_in(state.key, state.step)

    def device_loss(params):
      terms, sums = loss(params, key, batch, state.step)
      terms = _with_global_counts(terms)
      value = sum(total / count for total, count in terms.values())
      return value, (terms, sums)

    grads, (terms, sums) = jax.grad(device_loss, has_aux=True)(state.params)
    # The global loss is the sum of `device_loss` over devices.
    grads = lax.psum(grads, AXIS)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    ema = optax.incremental_update(params, state.ema, 1.0 - decay)
    sums = _reduce(terms, sums)
    sums['gradient_norm'] = optax.tree.norm(grads), jnp.float32(1.0)
    state = state.replace(
      step=state.step + 1, params=params, opt_state=opt_state, ema=ema
    )
    return state, sums

  return train_step


def make_eval_step(loss: Loss) -> Callable[[PyTree, dict], metrics.Sums]:
  """An evaluation step, `(variables, batch) -> metrics`.

  To be called by `parallel.parallel_eval_step`. The variables are a dict of
  `params`, `key` and `step`.
  """

  def eval_step(variables, batch):
    terms, sums = loss(
      variables['params'], variables['key'], batch, variables['step']
    )
    return _reduce(_with_global_counts(terms), sums)

  return eval_step


def _with_global_counts(terms: metrics.Sums) -> metrics.Sums:
  """This device's sums with the counts of all devices; counts of 0 become 1."""
  counts = lax.psum({name: count for name, (_, count) in terms.items()}, AXIS)
  return {
    name: (total, jnp.where(counts[name] > 0, counts[name], 1.0))
    for name, (total, _) in terms.items()
  }


def _reduce(terms: metrics.Sums, sums: metrics.Sums) -> metrics.Sums:
  """Terms (with global counts) and further metrics, added over all devices."""
  # Each device has the global count, so each contributes its share of it.
  devices = lax.psum(1, AXIS)
  losses = {
    f'loss_{name}': (total, count / devices)
    for name, (total, count) in terms.items()
  }
  return lax.psum(losses | sums, AXIS)
