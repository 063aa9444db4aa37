"""Text and HTML of objects that hold arrays, for their `__repr__`."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ase.data
import ase.geometry
import jax
import numpy as np
from ase.formula import Formula
from jaxtyping import Float, Int


def is_concrete(*leaves: Any) -> bool:
  """Whether all leaves are arrays whose values can be read here.

  A leaf of a pytree may also be a tracer, a shape, None, or an array that was
  donated to a computation or is on another host.
  """
  return all(_is_concrete(leaf) for leaf in leaves)


def _is_concrete(leaf: Any) -> bool:
  if isinstance(leaf, jax.core.Tracer):
    return False
  if isinstance(leaf, jax.Array):
    return leaf.is_fully_addressable and not leaf.is_deleted()
  return isinstance(leaf, np.ndarray)


def shapes(name: str, leaves: Mapping[str, Any]) -> str:
  """A name and the types and shapes of leaves: 'Crystal(numbers int32[8])'."""
  texts = []
  for leaf_name, leaf in leaves.items():
    shape, dtype = getattr(leaf, 'shape', None), getattr(leaf, 'dtype', None)
    if shape is None or dtype is None:
      texts.append(f'{leaf_name} {type(leaf).__name__}')
    else:
      texts.append(f'{leaf_name} {dtype}[{",".join(map(str, shape))}]')
  return f'{name}({", ".join(texts)})'


def formula(numbers: Int[np.ndarray, 'N']) -> str:
  """Hill formula of atomic numbers; empty slots (0) are left out."""
  symbols = ase.data.chemical_symbols
  return Formula.from_list(
    [symbols[n] if n < len(symbols) else f'X{n}' for n in numbers[numbers > 0]]
  ).format('hill')


def lattice(cell: Float[np.ndarray, '3 3']) -> tuple[str, str]:
  """Lengths in Å, and angles in degrees, of lattice vectors."""
  values = ase.geometry.cell_to_cellpar(np.asarray(cell, np.float64))
  lengths = ', '.join(f'{length:.3f}' for length in values[:3])
  return f'{lengths} Å', ', '.join(f'{angle:.1f}' for angle in values[3:]) + '°'


def html_table(title: str, rows: Mapping[str, Any]) -> str:
  """A title over a table of names and values, all escaped."""
  lines = ''.join(
    f'<tr><td style="text-align:left">{html.escape(name)}</td>'
    f'<td style="text-align:left">{html.escape(str(value))}</td></tr>'
    for name, value in rows.items()
  )
  return f'<b>{html.escape(title)}</b><table>{lines}</table>'
