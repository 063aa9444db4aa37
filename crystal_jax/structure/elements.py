"""Elements as numbers: symbols, periods, columns, and input channels.

A network that is told an element's place in the periodic table learns species
faster than one that is told its number alone. `channel_table` gives that place
as 40 channels: Z/30, one channel a period, one a column of the 32-column table.
"""

from __future__ import annotations

import functools
import re

import ase.data
import numpy as np
from jaxtyping import Array, Float

MAX_NUMBER = 94  # Plutonium: the last element that data sets hold.
NUM_CLASSES = MAX_NUMBER + 1  # Of a voxel: 0 is the background.
# The element whose lone atom peaks at one inside the networks.
UNIT_NUMBER = 30.0
NUM_PERIODS = 7
NUM_COLUMNS = 32

# Columns of the 32-column table: s block 1-2, f block 3-16, d block 17-26,
# p block 27-32. Lutetium stands below yttrium, lanthanum opens the f block.
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)

_SPECIES = re.compile(r'([A-Za-z]{1,2})(?:\d*\.?\d*[+-]\d*\.?\d*|\d+)?')


def symbol(number: int) -> str:
  """Chemical symbol of an atomic number.

  Raises:
    ValueError: If there is no such element.
  """
  if not 0 < number < len(ase.data.chemical_symbols):
    raise ValueError(f'There is no element with atomic {number=}.')
  return ase.data.chemical_symbols[int(number)]


@functools.lru_cache(maxsize=1000)
def number(species: str) -> int:
  """Atomic number of a species such as 'Ti', 'Ti4+', 'O2-' or 'D'.

  An oxidation state is dropped; deuterium and tritium are hydrogen.

  Raises:
    ValueError: If this is no element.
  """
  match = _SPECIES.fullmatch(species.strip())
  name = match.group(1).capitalize() if match else ''
  name = {'D': 'H', 'T': 'H'}.get(name, name)
  found = ase.data.atomic_numbers.get(name, 0)
  if not found:
    raise ValueError(f'unknown species {species!r}')
  return found


def period(number: int) -> int:
  """Row of the periodic table, 1 to 7."""
  symbol(number)
  return next(row for row, last in enumerate(_NOBLE) if number <= last)


def column(number: int) -> int:
  """Column of the 32-column periodic table, 1 to 32.

  Helium stands with the noble gases.
  """
  row = period(number)
  from_left = number - _NOBLE[row - 1]
  from_right = NUM_COLUMNS - (_NOBLE[row] - number)
  return from_left if from_left <= 2 and number != 2 else from_right


def channel_table(
  max_number: int = MAX_NUMBER,
) -> Float[np.ndarray, 'Z 40']:
  """Input channels of every element, by atomic number.

  Args:
    max_number: The last atomic number.

  Returns:
    Z/30, then one-hot the period, then one-hot the column; row 0, the empty
    slot, is zero. `channel_table()[numbers]` are `weights` of `voxelize`.
  """
  table = np.zeros((max_number + 1, 1 + NUM_PERIODS + NUM_COLUMNS), np.float32)
  for z in range(1, max_number + 1):
    table[z, 0] = z / 30
    table[z, period(z)] = 1
    table[z, NUM_PERIODS + column(z)] = 1
  return table


# Frequencies, in half turns over the table, that keep neighbours apart.
_CHECKS = 26, 68, 75, 90, 93


@functools.cache
def element_codes() -> Float[np.ndarray, '95 12']:
  """A short code of every element, by atomic number, for a network to carry.

  Number 0 is one for each element, so that what is weighed with it counts
  atoms. Two more are the period and its square, four are slow waves along the
  column, which put alike elements near one another; five are fast waves along
  the atomic number, a checksum that keeps neighbours apart. Made orthogonal in
  that order, with mean 0 and variance 1 over the elements (but number 0).

  Returns:
    Row 0, the empty slot, is zero. No two rows are nearer than 1.97; in the
    median, an element's nearest is 2.4 away.
  """
  z = np.arange(1, MAX_NUMBER + 1)
  rows = np.array([period(n) for n in z], np.float64)
  columns = np.array([column(n) for n in z]) - 0.5
  features = [np.ones(len(z)), rows, rows**2]
  features += [np.cos(np.pi * k * columns / NUM_COLUMNS) for k in (1, 2, 3, 4)]
  features += [np.cos(np.pi * f * (z - 0.5) / len(z)) for f in _CHECKS]
  codes, made = np.linalg.qr(np.stack(features, axis=1))
  # QR leaves the signs open.
  codes = codes * np.sign(np.diag(made)) * np.sqrt(len(z))
  codes[:, 0] = 1.0
  return np.concatenate([np.zeros((1, len(features))), codes])


def code_table(
  offsets: Float[Array, 'B 94 12'] | None = None,
) -> Float[Array | np.ndarray, 'B 94 12']:
  """What the elements are read by, from hydrogen on: codes and learnt offsets.

  Without offsets [1, 94, 12].
  """
  codes = element_codes()[None, 1:].astype(np.float32)
  return codes if offsets is None else codes + offsets
