"""The train state and the optimizer."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax
from flax import struct
from jaxtyping import Array, Int, PyTree


@struct.dataclass
class TrainState:
  """State of a training, saved in checkpoints.

  Attributes:
    step: Number of steps taken.
    params: Parameters, one entry for each network.
    opt_state: State of the optimizer.
    ema: Exponential moving average of the parameters, used in evaluation.
    key: Constant PRNG key; a step uses `fold_in(key, step)`.
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
    init: Function from a key to parameters.
    optimizer: The optimizer.
    seed: Seed of initialisation and of all random numbers of training.
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
  config: ml_collections.ConfigDict,
) -> optax.GradientTransformation:
  """AdamW with linear warm-up, cosine decay and gradient clipping.

  Args:
    config: `config.train`. learning_rate: at the peak. warmup_steps: steps from
      zero to the peak. steps: total number, at which the cosine reaches a
      hundredth of the peak. weight_decay: of kernels, not of biases and scales.
      clip: largest norm of the gradient.

  Raises:
    ValueError: If the warm-up is not shorter than the training.
  """
  warmup_steps, steps = config.warmup_steps, config.steps
  if not 0 <= warmup_steps < steps:
    raise ValueError(f'Need 0 <= {warmup_steps=} < {steps=}.')
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=config.learning_rate,
    warmup_steps=warmup_steps,
    decay_steps=steps,
    end_value=0.01 * config.learning_rate,
  )

  def decayed(params):
    return jax.tree.map_with_path(
      lambda path, _: path[-1].key == 'kernel', params
    )

  return optax.chain(
    optax.clip_by_global_norm(config.clip),
    optax.adamw(schedule, weight_decay=config.weight_decay, mask=decayed),
  )
