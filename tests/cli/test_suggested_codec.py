"""Codecs that an error of a command suggests."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.cli import inputs
from tests import crystals

pytestmark = pytest.mark.usefixtures('in_process')


def test_an_error_names_the_codec_that_takes_the_crystal(tmp_path, capsys):
  cj.write(tmp_path / 'x.cif', crystals.perovskite())
  out = f'--out={tmp_path / "z.npz"}'
  command = ['encode', str(tmp_path / 'x.cif'), out, '--weights=carbon_24']
  assert main(command) == 1
  assert (
    '--weights=mp_20 encodes its elements and size' in capsys.readouterr().err
  )
  polonium = cj.Crystal.from_ase(ase.build.bulk('Po', 'sc', a=3.4))
  cj.write(tmp_path / 'po.cif', polonium)
  path = str(tmp_path / 'po.cif')
  assert main(['encode', path, out, '--weights=carbon_24']) == 1
  error = capsys.readouterr().err
  assert 'Po was never seen in training; no shipped codec' in error
  ends = [str(tmp_path / 'x.cif'), path]
  assert main(['interpolate', *ends, f'--out={tmp_path / "o"}']) == 1
  assert f'{path}: Po was never seen' in capsys.readouterr().err


def test_no_codec_is_suggested_for_another_reason(tmp_path, perfect):
  """Neither of a shipped codec nor of one's own, whatever it is called."""
  near = cj.Crystal(np.array([6, 6]), np.diag([0, 0, 0.5])[1:], 9 * np.eye(3))
  large = cj.Crystal.from_ase(ase.build.bulk('NaCl', 'rocksalt', a=5.64))
  for name, max_atoms, crystal, suggested in (
    ('carbon_24', 24, near, False),
    ('mine', 24, near, False),
    ('mine', 1, near, True),
    ('mine', 24, large, True),  # Na is unknown to it.
  ):
    config = {'cell': {'max_atoms': max_atoms}}
    card = {
      'name': name, 'kind': 'cell', 'elements': ['C'], 'config': config,
      'fingerprint': 'f',
    }  # fmt: skip
    codec = cj.Codec(perfect._model, {}, card)
    suggestion = inputs.codec_suggestion(crystal, codec)
    assert ('encodes its elements and size' in suggestion) == suggested, card


def test_the_primitive_cell_counts(tmp_path, capsys):
  atoms = ase.build.bulk('Si').repeat(8)  # 1,024 atoms of a cell of two.
  cj.write(tmp_path / 'x.cif', cj.Crystal.from_ase(atoms))
  out = f'--out={tmp_path / "z.npz"}'
  assert main(['encode', str(tmp_path / 'x.cif'), out]) == 0
