"""Uncertain crystals are marked in every table and left out on request."""

import json

import numpy as np
import pytest

from crystal_jax.__main__ import main
from crystal_jax.cli import inputs, outputs
from tests.cli.output_table import table

pytestmark = pytest.mark.usefixtures('in_process')


class UncertainCodec:
  """A codec that is certain of every second crystal."""

  def __init__(self, codec):
    self._codec = codec

  def __getattr__(self, name):
    return getattr(self._codec, name)

  @property
  def residuals(self):
    return 3.0 * (np.arange(len(self._codec.residuals)) % 2)

  @property
  def certain(self):
    return self.residuals < 1


@pytest.mark.parametrize('name', ['reconstruct', 'decode', 'interpolate'])
def test_what_is_uncertain_is_marked(
  name, folder, tmp_path, perfect, monkeypatch, capsys
):
  monkeypatch.setattr(
    inputs, 'open_codec', lambda weights: UncertainCodec(perfect)
  )
  a, b = str(folder / 'a.cif'), str(folder / 'deep' / 'b.vasp')
  z, out = tmp_path / 'z.npz', tmp_path / 'out'
  main(['encode', str(folder), f'--out={z}'])
  given = {
    'reconstruct': [str(folder)],
    'decode': [str(z)],
    'interpolate': [a, b, '--steps=2'],
  }[name]
  command = [name, *given, f'--out={out}']
  assert main(command) == outputs.INCOMPLETE
  first, second = sorted(p.name for p in out.glob('*.cif'))
  assert 'uncertain' not in first and second.endswith('.uncertain.cif')
  rows = table(out)
  assert [row['certain'] for row in rows] == ['yes', 'no']
  assert [row['residual'] for row in rows] == ['0', '3']
  assert 'uncertain: 1 of them' in capsys.readouterr().out
  # Not written again beside the old ones, and not at all with --strict.
  assert main(command) == 1
  assert '--overwrite' in capsys.readouterr().err
  strict = [*command, '--overwrite', '--strict', '--json']
  assert main(strict) == outputs.INCOMPLETE
  captured = capsys.readouterr()
  assert 'uncertain, residual 3' in captured.err
  assert [row['file'] for row in json.loads(captured.out)] == [first, None]
  assert [p.name for p in out.glob('*.cif')] == [first]
