r"""A codec with one latent vector, from the principal components of tokens.

A codec with a latent per token becomes one with a shorter vector for the whole
crystal (`TokenVAE.vector`). The vector holds the first principal components of
the training set's latents, each latent number in standard deviations of its
posterior, so that the components that are kept carry the most information. The
new codec decodes what the old one decodes from these components; it is the
start of a training (`config.train.start_from`), not a result.

  python -m crystal_jax.training.vector_start crystal_jax/weights/mp_20 \
    runs/vector_start --data=my_crystals.npz --size=250
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float, PyTree

from crystal_jax.codec import loading, shipped, weights_file
from crystal_jax.codec.card import make_card
from crystal_jax.codec.config import from_plain
from crystal_jax.codec.encoding import encode_crystals
from crystal_jax.codec.model import make_model
from crystal_jax.io.read import read_all


def principal_components(
  mean: Float[np.ndarray, 'M L'],
  deviation: Float[np.ndarray, 'L'],
  size: int,
) -> tuple[
  Float[np.ndarray, 'L'], Float[np.ndarray, 'L D'], Float[np.ndarray, 'D']
]:
  """Principal components of latents, in standard deviations of the posterior.

  Args:
    mean: Posterior means of a training set.
    deviation: Mean standard deviation of the posterior of each number.
    size: Number of components, D.

  Returns:
    The centre of the latents, orthonormal components as columns, in units of
    `deviation`, and the standard deviation of the set along each, in those
    units, at least 1.
  """
  centre = mean.mean(0, dtype=np.float64)
  units = (mean - centre) / deviation
  variances, axes = np.linalg.eigh(units.T @ units / len(units))
  kept = np.argsort(variances)[::-1][:size]
  return centre, axes[:, kept], np.sqrt(np.maximum(variances[kept], 1.0))


def to_vector(
  params: Mapping[str, PyTree],
  mean: Float[np.ndarray, 'M L'],
  deviation: Float[np.ndarray, 'L'],
  size: int,
) -> dict[str, PyTree]:
  """Parameters of the codec with a vector that is linear in the tokens' latent.

  Args:
    params: Parameters of a codec of tokens, L latent numbers in all, without
      those of the lattice.
    mean: Posterior means of its training set.
    deviation: Mean standard deviations of the posteriors.
    size: Length of the vector, D.

  Returns:
    Parameters of the same networks with `vector=size`. Property heads read the
    same from the components; a head's kernel follows the vector, and then the
    numbers of the lattice as before.
  """
  length = mean.shape[1]
  centre, axes, spread = principal_components(mean, deviation, size)
  forward = axes / deviation[:, None] / spread[None]
  back = (axes * deviation[:, None] * spread[None]).T
  vae = dict(params['vae']['params'])
  vae['vector_mean'] = {'kernel': forward, 'bias': -centre @ forward}
  vae['vector_log_var'] = {
    'kernel': np.zeros_like(forward),
    'bias': -2 * np.log(spread),
  }
  vae['from_vector'] = {'kernel': back, 'bias': centre}
  found = {**params, 'vae': {'params': vae}}
  if 'properties' in params:
    found['properties'] = {
      name: _head(head, back, centre, length)
      for name, head in params['properties'].items()
    }
  return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), found)


def _head(head, back, centre, length) -> dict[str, np.ndarray]:
  kernel = np.asarray(head['kernel'], np.float64)
  vector = back @ kernel[:length]
  bias = head['bias'] + centre @ kernel[:length]
  kernel = np.concatenate([vector, kernel[length:]])
  return {**head, 'kernel': kernel, 'bias': bias}


def start(
  weights: str | os.PathLike[str],
  folder: str | os.PathLike[str],
  crystals,
  size: int,
) -> None:
  """Writes the start of a training, as a codec.

  Args:
    weights: Name or folder of a codec of tokens.
    folder: Folder of the new codec.
    crystals: Training set, of which the principal components are taken.
    size: Length of the vector, without the numbers of the lattice.

  Raises:
    ValueError: If the codec has a vector already, or its latent is shorter.
  """
  model, trained, card = loading.load(shipped.find(weights))
  config = from_plain(card['config'])
  part = 'cell_vae' if config.representation == 'cell' else 'coded_vae'
  length = model.networks.vae.latent_size
  if config[part].vector or not 0 < size < length:
    raise ValueError(
      f'Need a codec without a vector and 0 < {size=} < {length}, the numbers '
      'of its tokens.'
    )
  mean, log_var, _ = encode_crystals(model, trained, crystals, None, skip=True)
  is_encoded = np.isfinite(mean).all(1)
  mean, log_var = (x[is_encoded, :length] for x in (mean, log_var))
  deviation = np.exp(0.5 * log_var, dtype=np.float64).mean(0)
  networks = {n: p for n, p in trained.items() if n != 'fitted'}
  params = to_vector(networks, mean, deviation, size)
  config[part].vector = size
  model = make_model(config)
  run = from_plain({'model': config.to_dict()})
  card = make_card(model, params, run, name=f'start of {size} numbers', steps=0)
  weights_file.write(folder, params, card)


def main() -> None:
  """Entry point."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('weights')
  parser.add_argument('folder')
  parser.add_argument('--data', required=True, help='a file of crystals')
  parser.add_argument('--size', type=int, default=250)
  args = parser.parse_args()
  start(args.weights, args.folder, read_all(args.data), args.size)


if __name__ == '__main__':
  main()
