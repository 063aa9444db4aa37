"""Loading of priors: from a codec's folder, or from a training run."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from crystal_jax.generation import prior_file
from crystal_jax.generation.prior import PriorNetworks


@dataclasses.dataclass(frozen=True)
class Prior:
  """A prior in memory.

  Attributes:
    networks: The networks.
    params: Their parameters.
    card: Content of prior.json; see `prior_file`.
  """

  networks: PriorNetworks
  params: PyTree
  card: Mapping[str, Any]


def load_prior(
  path: str | os.PathLike[str], fingerprint: str | None = None
) -> Prior:
  """Loads the prior of a folder or of a run.

  Args:
    path: A folder with `prior.safetensors`, or the workdir of a run.
    fingerprint: Fingerprint of the codec that will decode; None: any.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If it is damaged, or the prior of another codec.
  """
  path = pathlib.Path(path)
  if (path / 'checkpoints').is_dir():
    from crystal_jax.generation import export

    networks, params, card = export.of_run(path)
    if fingerprint is not None and card['codec'] != fingerprint:
      raise ValueError(
        f'{path}: the run of a prior for the codec {card["codec"]}, not for '
        f'this one ({fingerprint}).'
      )
  else:
    networks, params, card = prior_file.read(path, fingerprint)
  return Prior(networks, jax.tree.map(jnp.asarray, params), card)
