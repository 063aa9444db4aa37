"""CPU times of jitted functions, for `benchmarks.voxelize`."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np


def clock(function, *args, repeats=7, warm=2) -> float:
  """Median CPU milliseconds of one call, after some to warm up."""
  for _ in range(warm):
    jax.block_until_ready(function(*args))
  times = []
  for _ in range(repeats):
    start = time.process_time()
    jax.block_until_ready(function(*args))
    times.append(time.process_time() - start)
  return 1e3 * float(np.median(times))


@functools.cache
def jitted(function, **static):
  """One jit for each signature, so that crystals share a trace."""
  return jax.jit(functools.partial(function, **static))


def matmul_peak() -> float:
  """FLOP/s of XLA's own float32 matrix product."""
  matrix = jnp.ones((1024, 1024), jnp.float32)
  return 2 * 1024**3 / (clock(jax.jit(jnp.matmul), matrix, matrix) * 1e-3)
