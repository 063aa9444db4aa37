"""The examples in the help of every command work as pasted."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

import crystal_jax as cj
from crystal_jax.__main__ import COMMANDS, main
from crystal_jax.cli import inputs, outputs
from tests import codecs

# These run with a codec that loses nothing, the rest with shipped weights.
QUICK = (
  'encode', 'decode', 'reconstruct', 'interpolate', 'info', 'describe', 'show',
  'prepare', 'voxelize', 'decode-density',
)  # fmt: skip
# A draw may give no crystal.
MAY_MISS = 'sample', 'alter'


def example(name):
  """Lines of a command's help that are to be pasted."""
  module = importlib.import_module(f'crystal_jax.cli.{name.replace("-", "_")}')
  pattern = r'^  ((?:ase|python|printf) .*)$'
  return re.findall(pattern, module.__doc__, re.MULTILINE)


def paste(line):
  """Runs a line; returns the exit status."""
  program, *arguments = shlex.split(line)
  if program == 'python':
    assert arguments[:2] == ['-m', 'crystal_jax'], line
    return main(arguments[2:])
  folder = sys.executable.rsplit('/', 1)[0]
  if program == 'ase':
    line = f'{shutil.which("ase", path=folder)} {shlex.join(arguments)}'
  return subprocess.run(line, shell=True, check=True).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
  'name',
  [name if name in QUICK else name for name in COMMANDS],
)
def test_the_example_of_the_help_works_as_pasted(name, tmp_path, monkeypatch):
  lines = example(name)
  assert lines[-1].startswith(f'python -m crystal_jax {name}')
  monkeypatch.chdir(tmp_path)
  if name in QUICK:
    card = {'name': 'perfect', 'fingerprint': 'f', 'elements': None}
    codec = cj.Codec(codecs.through()._model, {}, card)
    monkeypatch.setattr(inputs, 'open_codec', lambda weights: codec)
  for line in lines:
    status = paste(line)
    misses = line.split()[3:4] and line.split()[3] in MAY_MISS
    assert status == 0 or (misses and status == outputs.INCOMPLETE), line
