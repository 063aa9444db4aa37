"""Steps on all devices, by pmap.

The state is replicated without a leading device axis, which saves stacking and
unstacking every parameter in each step. Batches carry a leading axis of local
devices. Inside the step, `AXIS` names the axis over all devices.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = 'devices'


def replicate(tree):
  """Puts a tree of arrays on every device, each a full copy.

  A state that is placed like this from the start has the sharding that the
  first step returns, so that the second step is not compiled again.
  """
  sharding = NamedSharding(Mesh(jax.devices(), (AXIS,)), PartitionSpec())

  def put(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
      return jax.random.wrap_key_data(put(jax.random.key_data(leaf)))
    # device_put refuses devices of other processes.
    return jax.make_array_from_process_local_data(sharding, np.asarray(leaf))

  return jax.tree.map(put, tree)


def parallel_train_step(step: Callable) -> Callable:
  """`(state, batch) -> (state, metrics)` on every device.

  `step` reduces gradients and metrics over `AXIS` itself. The old state is
  donated: it must not be used after the call.
  """
  return jax.pmap(
    step,
    axis_name=AXIS,
    in_axes=(None, 0),
    out_axes=(None, None),
    donate_argnums=0,
  )


def parallel_eval_step(step: Callable) -> Callable:
  """`(params, batch) -> outputs` on every device, with its axis in front."""
  return jax.pmap(step, axis_name=AXIS, in_axes=(None, 0), out_axes=0)


def anywhere(flag: bool) -> bool:
  """Whether `flag` is set in any process; every process must call it."""
  if jax.process_count() == 1:
    return flag
  flags = np.full(jax.local_device_count(), flag, np.int32)
  return bool(np.asarray(_largest()(flags).addressable_data(0)).any())


@functools.cache
def _largest():
  return jax.pmap(lambda x: jax.lax.pmax(x, AXIS), axis_name=AXIS)
