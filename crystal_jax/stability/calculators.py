"""Potentials by name, as ASE calculators."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

# Extra that installs each potential that has a name here.
CHGNET = 'chgnet'


def load_calculator(name: str = CHGNET) -> Any:
  """An ASE calculator.

  Args:
    name: 'chgnet', or where a function makes one: 'package.module:function'.

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
      f'No potential {name!r}; name {CHGNET}, or an ASE calculator as '
      'package.module:function.'
    )
  try:
    return getattr(importlib.import_module(module), function)()
  except AttributeError as error:
    raise ValueError(f'{name}: {error}.') from error
