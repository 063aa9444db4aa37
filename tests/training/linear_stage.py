"""A second stage in one file: a linear map of latents to themselves."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from crystal_jax import tasks
from crystal_jax.codec.model import Model
from crystal_jax.evaluation.scores import Scores
from crystal_jax.models.standardization import Standardization
from crystal_jax.training.first_stage import FirstStage
from crystal_jax.training.latents import Latents


@dataclasses.dataclass(frozen=True)
class LinearMap:
  """Latents to latents, standardized on both sides."""

  size: int

  def init(self, key, arrays=None):
    zeros = jnp.zeros((1, self.size))
    statistics = Standardization.identity(self.size)
    if arrays is not None:
      columns = arrays['latent'], arrays['latent_deviation']
      statistics = Standardization.fit(*columns)
    return {
      'map': nn.Dense(self.size).init(key, zeros),
      'statistics': jax.tree.map(jnp.asarray, statistics._asdict()),
    }

  def predict(self, params, inputs):
    statistics = Standardization.of(params['statistics'])
    z = statistics.apply(inputs['latent'])
    z = nn.Dense(self.size).apply(params['map'], z)
    return {'latent': statistics.invert(z)}


def make_model(config):
  stage = FirstStage.of(config.first_stage)
  return Model('linear', Latents(stage), LinearMap(stage.model.latent_size))


def make_loss(model, config, *, training):
  def loss(params, key, batch, step):
    draw = key if training else None
    examples = model.representation.examples(draw, batch)
    statistics = Standardization.of(params['statistics'])
    predicted = model.networks.predict(params, examples.inputs)['latent']
    error = statistics.apply(predicted) - statistics.apply(
      examples.targets['latent']
    )
    error = jnp.square(error).mean(-1) * examples.valid
    return {'error': (error.sum(), examples.valid.sum())}, {}

  return loss


def evaluate(run, state):
  params = jax.tree.map(lambda x: x.addressable_data(0), state.ema)
  latents = jnp.asarray(run.arrays['heldout']['latent'][:4])
  outputs = run.model.networks.predict(params, {'latent': latents})
  crystals = run.model.representation.crystals(outputs)
  results = {'heldout': {'crystals': float(len(crystals))}}
  headline = f'{len(crystals)} latents were decoded.'
  return Scores(results, {}, headline, sections=(), note='')


TASK = tasks.Task(make_model, make_loss, evaluate)
