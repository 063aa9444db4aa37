"""Steps on one device and on two, and what of them has to be equal."""

import functools

import jax
import numpy as np
import optax

from crystal_jax.training import parallel

# Mean gradients below this may be rounding.
ROUNDING = 1e-7


def assert_alike(one, two):
  """Compares parameters, averages, sums and gradients of two `two_steps`.

  Adam takes a whole step along a gradient that is only rounding: parameters
  with such gradients, and no others, may differ.
  """
  gradients = one[3], two[3]
  close = functools.partial(np.testing.assert_allclose, rtol=2e-3)
  jax.tree.map(lambda a, b: close(a, b, atol=ROUNDING), *gradients)

  def assert_close(a, b, g):
    rounding = (g != 0) & (np.abs(g) < ROUNDING)
    close(np.where(rounding, 0, a), np.where(rounding, 0, b), atol=2e-5)

  for which in 0, 1:
    jax.tree.map(assert_close, one[which], two[which], gradients[0])
  jax.tree.map(lambda a, b: close(a, b, atol=2e-5), one[2], two[2])


def two_steps(run, devices, traces=None):
  """On one device, or as the loop takes them on both; notes each trace."""
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
  return jax.device_get((state.params, state.ema, sums, gradients))


def first_batch(run, devices):
  """The first global batch, spread over some devices."""
  batch = next(run.train_batches())
  flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in batch.items()}
  return {k: v.reshape(devices, -1, *v.shape[1:]) for k, v in flat.items()}
