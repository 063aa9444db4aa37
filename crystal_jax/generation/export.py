"""Export of a trained prior to a file beside its codec's weights.

python -m crystal_jax.generation.export runs/prior_mp_20 my_codec/
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from crystal_jax.codec import weights_file
from crystal_jax.codec.config import to_json
from crystal_jax.generation import prior_file, task
from crystal_jax.generation.prior import PriorNetworks
from crystal_jax.training import checkpoints, provenance
from crystal_jax.training.state import create_state, make_optimizer


def of_run(
  workdir: str | os.PathLike[str], step: int | None = None
) -> tuple[PriorNetworks, PyTree, dict[str, Any]]:
  """The averaged parameters of a run's checkpoint.

  Args:
    workdir: Workdir of `experiments.main`.
    step: Step of the checkpoint; None: the latest.

  Raises:
    FileNotFoundError: If it holds no checkpoint.
    ValueError: If it is the run of something else.
  """
  workdir = pathlib.Path(workdir)
  with checkpoints.open_checkpoints(workdir) as opened:
    config = checkpoints.restore_config(opened, step)
    if config.model.representation != 'prior':
      raise ValueError(
        f'{workdir}: the run of {config.model.representation!r}, not of a '
        'prior.'
      )
    networks = task.make_model(config.model).networks
    optimizer = make_optimizer(config.train)
    fresh = create_state(networks.init, optimizer, config.train.seed)
    state, _ = checkpoints.restore(opened, fresh, config, step)
  params = jax.tree.map(lambda leaf: np.asarray(leaf), state.ema)
  known = provenance.read(workdir)
  card = {
    'codec': config.model.first_stage.fingerprint,
    'steps': int(state.step),
    'examples': int(state.step) * config.train.batch_size,
    'data': known.get('data'),
    'train': json.loads(to_json(config.train)),
  }
  return networks, params, card


def export(
  workdir: str | os.PathLike[str],
  folder: str | os.PathLike[str],
  step: int | None = None,
  notes: dict[str, Any] | None = None,
) -> None:
  """Writes the prior of a run beside the weights of its codec.

  Args:
    workdir: Workdir of the run.
    folder: Folder of the codec.
    step: Step of the checkpoint; None: the latest.
    notes: Further entries of the card, as JSON.

  Raises:
    ValueError: If the codec there is another one.
  """
  networks, params, card = of_run(workdir, step)
  found = weights_file.read_card(folder).get('fingerprint')
  if found != card['codec']:
    raise ValueError(
      f'{folder} holds the codec {found}; the prior is of {card["codec"]}.'
    )
  prior_file.write(folder, networks, params, {**card, **(notes or {})})


def main() -> None:
  """The command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('workdir', type=pathlib.Path)
  parser.add_argument('folder', type=pathlib.Path, help='of the codec')
  parser.add_argument('--step', type=int, help='default: the latest')
  args = parser.parse_args()
  export(args.workdir, args.folder, args.step)
  size = (args.folder / prior_file.WEIGHTS).stat().st_size / 1e6
  print(f'{args.folder / prior_file.WEIGHTS}: {size:.1f} MB')


if __name__ == '__main__':
  main()
