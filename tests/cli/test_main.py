"""The command line itself: wrong use, missing packages."""

import sys

import pytest

from crystal_jax import __main__ as command


def test_an_unknown_command_names_those_there_are(capsys):
  assert command.main(['dance']) == 2
  assert 'no command dance' in capsys.readouterr().err


def test_a_missing_argument_is_one_line(capsys):
  with pytest.raises(SystemExit) as status:
    command.main(['reconstruct', 'x.cif'])
  assert status.value.code == 2
  assert capsys.readouterr().err == (
    'error: the following arguments are required: -o/--out; `python -m '
    'crystal_jax reconstruct --help` has an example.\n'
  )


@pytest.mark.parametrize(
  'package, extra',
  [
    ('tensorflow_datasets', 'train'),
    ('pyarrow', 'beam'),
    ('matplotlib', 'plots'),
  ],
)
def test_a_missing_package_names_its_extra(
  package, extra, tmp_path, monkeypatch, capsys
):
  monkeypatch.setitem(sys.modules, package, None)

  def run(name, rest):
    __import__(package)

  monkeypatch.setattr(command, '_run', run)
  assert command.main(['prepare', str(tmp_path)]) == 1
  error = capsys.readouterr().err
  assert f"pip install 'crystal_jax[{extra}]'" in error
  assert 'Traceback' not in error


def test_a_broken_import_of_our_own_is_not_hidden(monkeypatch):
  def run(name, rest):
    raise ModuleNotFoundError(name='crystal_jax.nowhere')

  monkeypatch.setattr(command, '_run', run)
  with pytest.raises(ModuleNotFoundError):
    command.main(['info'])
