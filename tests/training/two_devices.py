"""Two training steps on one or on two devices, and a comparison of both."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from crystal_jax.training import parallel

# Mean gradients below this are taken for rounding of float32 sums.
ROUNDING = 1e-7


class Trained(NamedTuple):
  """What two training steps leave.

  Attributes:
    params: The parameters.
    averaged_params: Their exponential moving average.
    sums: Sum and count of each metric of the second step, by name.
    gradients: Adam's running mean of the gradients.
  """

  params: Any
  averaged_params: Any
  sums: dict[str, Any]
  gradients: Any


def assert_equal(one: Trained, two: Trained):
  """Compares the results of training on one and on two devices.

  Adam takes a whole step along a gradient that is only rounding: parameters
  with such gradients, and no others, may differ.
  """
  close = functools.partial(np.testing.assert_allclose, rtol=2e-3)
  jax.tree.map(
    lambda a, b: close(a, b, atol=ROUNDING), one.gradients, two.gradients
  )

  def assert_close(a, b, gradient):
    rounding = (gradient != 0) & (np.abs(gradient) < ROUNDING)
    close(np.where(rounding, 0, a), np.where(rounding, 0, b), atol=2e-5)

  jax.tree.map(assert_close, one.params, two.params, one.gradients)
  jax.tree.map(
    assert_close, one.averaged_params, two.averaged_params, one.gradients
  )
  jax.tree.map(lambda a, b: close(a, b, atol=2e-5), one.sums, two.sums)


def train_two_steps(run, devices, traces=None) -> Trained:
  """Trains twice on the first batch.

  Args:
    run: The run.
    devices: 1, or 2 for the parallel step of the training loop.
    traces: A list that gets one entry for each trace of the step.
  """
  state, train_step = run.fresh_state(), run.train_step

  def counted(state, batch):
    if traces is not None:
      traces.append(devices)
    return train_step(state, batch)

  if devices == 1:
    step = jax.pmap(
      counted,
      axis_name=parallel.AXIS,
      in_axes=(None, 0),
      out_axes=(None, None),
      devices=jax.devices()[:1],
    )
  else:
    step = parallel.parallel_train_step(counted)
    state = parallel.replicate(state)
  for _ in range(2):
    state, sums = step(state, first_batch(run, devices))
  assert int(state.step) == 2
  gradients = optax.tree_utils.tree_get(state.opt_state, 'mu')
  return jax.device_get(Trained(state.params, state.ema, sums, gradients))


def first_batch(run, devices):
  """The first global batch of a run, split over devices."""
  batch = next(run.train_batches())
  flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in batch.items()}
  return {k: v.reshape(devices, -1, *v.shape[1:]) for k, v in flat.items()}
