"""All that a training step changes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Int, PyTree


@struct.dataclass
class TrainState:
  """What a step takes and returns, and what a checkpoint holds.

  Attributes:
    step: Steps taken.
    params: Parameters, one entry a network.
    opt_state: The optimizer's.
    ema: Exponential moving average of the parameters, used in evaluation.
    key: Never changes; `fold_in(key, step)` is what a step draws from.
  """

  step: Int[Array, '']
  params: PyTree
  opt_state: optax.OptState
  ema: PyTree
  key: Array


def create_state(
  init: Callable[[Array], PyTree],
  optimizer: optax.GradientTransformation,
  seed: int,
) -> TrainState:
  """A fresh state.

  Args:
    init: Key to parameters.
    optimizer: Initialised on those.
    seed: Of initialisation and of everything that training draws.
  """
  init_key, key = jax.random.split(jax.random.key(seed))
  params = jax.jit(init)(init_key)
  return TrainState(
    step=jnp.int32(0),
    params=params,
    opt_state=optimizer.init(params),
    ema=jax.tree.map(jnp.copy, params),
    key=key,
  )


def make_optimizer(
  *,
  learning_rate: float,
  warmup_steps: int,
  steps: int,
  weight_decay: float,
  clip: float,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """AdamW under a warm-up and a cosine, with the gradient's norm clipped.

  Args:
    learning_rate: At the top.
    warmup_steps: Of a linear rise from zero.
    steps: In all; the cosine ends there at a hundredth of the top.
    weight_decay: On kernels alone, not on biases and scales.
    clip: Largest norm of the gradient.

  Raises:
    ValueError: If the warm-up is not shorter than the training.
  """
  if not 0 <= warmup_steps < steps:
    raise ValueError(f'Need 0 <= {warmup_steps=} < {steps=}.')
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=learning_rate,
    warmup_steps=warmup_steps,
    decay_steps=steps,
    end_value=0.01 * learning_rate,
  )

  def decayed(params):
    return jax.tree.map(lambda p: p.ndim > 1, params)

  optimizer = optax.chain(
    optax.clip_by_global_norm(clip),
    optax.adamw(schedule, weight_decay=weight_decay, mask=decayed),
  )
  return optimizer, schedule
