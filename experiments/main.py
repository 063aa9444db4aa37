"""Trains and evaluates what a config describes.

  python -m experiments.main --config=experiments/quickstart.py --workdir=runs/q

Fields are overridden as `--config.train.steps=10`. A run in the
same workdir is resumed.
"""

import logging
import os
import sys

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from crystal_jax import tasks
from crystal_jax.training import loop

_CONFIG = config_flags.DEFINE_config_file('config', lock_config=True)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of checkpoints, metrics and the report.'
)
_MODE = flags.DEFINE_enum(
  'mode',
  'train',
  ['train', 'eval'],
  'Train (or go on) and then evaluate, or evaluate the last checkpoint.',
)
_DISTRIBUTED = flags.DEFINE_bool(
  'distributed',
  False,
  'One of several processes: calls jax.distributed.initialize(), which finds '
  'the others by itself on a TPU pod or under Slurm, and otherwise needs '
  '--coordinator, --num_processes and --process_id.',
)
_COORDINATOR = flags.DEFINE_string(
  'coordinator', None, 'Address of process 0, host:port.'
)
_NUM_PROCESSES = flags.DEFINE_integer('num_processes', None, 'In all.')
_PROCESS_ID = flags.DEFINE_integer('process_id', None, 'Of this process.')
# Seconds after which a silent process counts as ended.
_HEARTBEAT_TIMEOUT = 30


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f'Unknown {argv[1:]}: flags begin with --.')
  # Log lines of this package, warnings of libraries.
  absl_logging.set_verbosity(absl_logging.WARNING)
  logging.getLogger('crystal_jax').setLevel(logging.INFO)
  if _DISTRIBUTED.value:
    jax.distributed.initialize(
      _COORDINATOR.value,
      _NUM_PROCESSES.value,
      _PROCESS_ID.value,
      heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT,
    )
  try:
    _run()
  except (ValueError, OSError, loop.TrainingDivergedError) as error:
    raise SystemExit(f'{type(error).__name__}: {error}') from error
  except jax.errors.JaxRuntimeError as error:
    if jax.process_count() == 1:
      raise
    print(
      'This process cannot go on; another one may have ended. '
      f'{str(error).splitlines()[0]}\nStart all processes again with the same '
      'command: the training goes on from its latest checkpoint.',
      file=sys.stderr,
      flush=True,
    )
    # An orderly exit would wait for the process that has ended.
    os._exit(1)


def _parse(argv):
  """Parses flags; a mistyped field is one line, with a suggestion."""
  try:
    return app.parse_flags_with_usage(argv)
  except (AttributeError, KeyError, OSError) as error:
    raise SystemExit(f'In {" ".join(argv[1:])}:\n{error.args[0]}') from error


def _run():
  if _MODE.value == 'train':
    run, state = tasks.train(_CONFIG.value, _WORKDIR.value)
    finished = int(state.step) >= _CONFIG.value.train.steps
  else:
    run, state = tasks.load(_CONFIG.value, _WORKDIR.value)
    finished = True
  if finished and jax.process_index() == 0:
    tasks.evaluate(run, state, _WORKDIR.value)


if __name__ == '__main__':
  flags.mark_flags_as_required(['config', 'workdir'])
  app.run(main, flags_parser=_parse)
