"""Command line: `python -m crystal_jax COMMAND ..`; see `COMMAND --help`.

Only the module of the given command, in `crystal_jax/cli`, is imported.
"""

import argparse
import importlib
import sys
import warnings
from typing import Any, NoReturn

# What each command makes; `decode-density` is run by `cli/decode_density.py`.
COMMANDS = {
  'encode': 'crystal files to latents',
  'decode': 'latents to crystal files',
  'reconstruct': 'crystal files through a codec and back',
  'interpolate': 'crystals along a line between two latents',
  'sample': "new crystals from a codec's prior",
  'alter': 'variants of a crystal: its latent is noised, then denoised',
  'info': 'the shipped codecs',
  'predict': 'properties of crystal files in a table',
  'fit-property': 'a property fitted to a table of crystals',
  'describe': 'a data set on one page',
  'prepare': 'crystal files to a data set',
  'random-structures': 'random sensible structures, a baseline',
  'substitute': 'known crystals with ions exchanged, a baseline',
  'score': 'generated crystals against a data set',
  'show': 'a crystal file as an interactive page',
  'voxelize': 'a crystal file to a density',
  'decode-density': 'a density file to a crystal',
}

# Extra of setup.py that provides a package; default: [train].
EXTRAS = {
  'apache_beam': 'beam',
  'chgnet': 'stability',
  'matminer': 'eval',
  'matplotlib': 'plots',
  'pyarrow': 'beam',
  'smact': 'eval',
  'torch': 'stability',
}


def main(argv: list[str] | None = None) -> int:
  """Runs the command line; returns the exit status."""
  argv = sys.argv[1:] if argv is None else argv
  name, rest = (argv[0], argv[1:]) if argv else ('--help', [])
  if name in ('-h', '--help'):
    print(
      'usage: python -m crystal_jax COMMAND ..; COMMAND --help says more.\n'
    )
    for each, what in COMMANDS.items():
      print(f'  {each:16} {what}')
    return 0 if argv else 2
  if name not in COMMANDS:
    print(
      f'error: no command {name}; the commands are {", ".join(COMMANDS)}.',
      file=sys.stderr,
    )
    return 2
  try:
    with warnings.catch_warnings():
      warnings.showwarning = _show
      return _run(name, rest)
  except ModuleNotFoundError as error:
    package = (error.name or '').split('.')[0]
    if package in ('', 'crystal_jax'):
      raise
    extra = EXTRAS.get(package, 'train')
    print(
      f'error: {name} needs {package}, which is not installed: pip install '
      f"'crystal_jax[{extra}]'.",
      file=sys.stderr,
    )
    return 1
  except (ValueError, OSError) as error:
    print(f'error: {_text(error)}', file=sys.stderr)
    return 1


def _text(error: Exception) -> str:
  """Message of an error, without the system's error number."""
  if isinstance(error, OSError) and error.filename and error.strerror:
    return f'{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}.'
  return str(error)


class _Parser(argparse.ArgumentParser):
  """Says in one line what is wrong, and where an example is."""

  def error(self, message: str) -> NoReturn:
    """Prints the line and exits with status 2."""
    print(
      f'error: {message}; `{self.prog} --help` has an example.',
      file=sys.stderr,
    )
    sys.exit(2)


def _show(message, category, filename, lineno, file=None, line=None) -> None:
  """A warning in one line, without the place in the code."""
  del category, filename, lineno, line
  print(f'warning: {message}', file=file or sys.stderr)


def _run(name: str, rest: list[str]) -> int:
  """Runs one command."""
  module: Any = importlib.import_module(
    f'crystal_jax.cli.{name.replace("-", "_")}'
  )
  parser = _Parser(
    prog=f'python -m crystal_jax {name}',
    description=module.__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  module.add_arguments(parser)
  return module.run(parser.parse_args(rest))


if __name__ == '__main__':
  sys.exit(main())
