"""Interatomic potentials by name, as ASE calculators."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

# Name of the potential CHGNet, which the extra `stability` installs.
CHGNET = 'chgnet'


def load_calculator(name: str = CHGNET) -> Any:
  """An ASE calculator.

  Args:
    name: 'chgnet', or 'package.module:function' of a function or class that is
      called without arguments and returns an ASE calculator.

  Raises:
    ModuleNotFoundError: If the potential is not installed.
    ValueError: If there is no such potential.
  """
  if name == CHGNET:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      from chgnet.model.dynamics import CHGNetCalculator

      return CHGNetCalculator(use_device='cpu', verbose=False)
  module, separator, function = name.partition(':')
  if not separator:
    raise ValueError(
      f'No potential {name!r}. Use {CHGNET}, or package.module:function of a '
      'function that returns an ASE calculator.'
    )
  try:
    make = getattr(importlib.import_module(module), function)
  except AttributeError as error:
    raise ValueError(f'{name}: {error}.') from error
  return make()
