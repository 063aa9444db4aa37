"""Elements: symbols, atomic numbers, periods, columns, channels and codes.

A network learns species faster from their position in the periodic table than
from the atomic number alone. `channel_table` gives that position as 40 input
channels: Z/30, one-hot the period, one-hot the column of the 32-column table.
`element_codes` gives twelve numbers per element.
"""

from __future__ import annotations

import functools
import re

import ase.data
import numpy as np
from jaxtyping import Array, Float

MAX_NUMBER = 94  # Plutonium, the last element in the data sets.
NUM_CLASSES = MAX_NUMBER + 1  # Classes of a voxel; 0 is the background.
# Atomic number of the isolated atom whose peak has height one in the networks.
UNIT_NUMBER = 30.0
NUM_PERIODS = 7
NUM_COLUMNS = 32

# Atomic numbers of the noble gases, which end the periods; 0 is before the
# first. Columns of the 32-column table: s block 1-2, f block 3-16, d block
# 17-26, p block 27-32. Lutetium is below yttrium, lanthanum begins the f block.
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)

# A charge or a running number: 'Ti4+', 'Ti+4', 'Ti1'. In 'Fe2+0.5' the last
# number is an occupancy.
SUFFIX = r'(\d*\.?\d*[+-]|[+-]\d*\.?\d*|\d+)?'
_SPECIES = re.compile(f'([A-Za-z]{{1,2}}){SUFFIX}')


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

  Oxidation states are dropped; deuterium is hydrogen. Two capitals with a digit
  or a charge are a molecule (NO3, CN-), not an element. T is refused: it may be
  a tetrahedral site or tritium.

  Raises:
    ValueError: If the species is not an element.
  """
  match = _SPECIES.fullmatch(species.strip())
  name, suffix = match.groups() if match else ('', None)
  symbol = name.capitalize()
  found = ase.data.atomic_numbers.get('H' if symbol == 'D' else symbol, 0)
  # Two capitals may be an element, but CN and NO are not: Cn and No are beyond
  # plutonium.
  is_molecule = name[1:].isupper() and (suffix or found > MAX_NUMBER)
  if not found or is_molecule:
    raise ValueError(f'unknown species {species!r}')
  return int(found)


def period(number: int) -> int:
  """Row of the periodic table, 1 to 7."""
  symbol(number)
  return next(row for row, last in enumerate(_NOBLE) if number <= last)


def column(number: int) -> int:
  """Column of the 32-column periodic table, 1 to 32; helium is in 32."""
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
    Z/30, the period one-hot, the column one-hot; row 0, the empty slot, is
    zero. `channel_table()[numbers]` are `weights` for `voxelize`.
  """
  table = np.zeros((max_number + 1, 1 + NUM_PERIODS + NUM_COLUMNS), np.float32)
  for z in range(1, max_number + 1):
    table[z, 0] = z / 30
    table[z, period(z)] = 1
    table[z, NUM_PERIODS + column(z)] = 1
  return table


# Frequencies of the cosines that separate neighbouring atomic numbers, in half
# periods over the table.
_FAST_FREQUENCIES = 26, 68, 75, 90, 93


@functools.cache
def element_codes() -> Float[np.ndarray, '95 12']:
  """A code of twelve numbers for every element, by atomic number.

  Code 0 is one for each element: a sum weighted with it counts atoms. Codes 1
  and 2 are the period and its square; four slow waves along the column put
  chemically similar elements close together; five fast waves along the atomic
  number keep neighbouring elements apart. Orthogonalised in that order; mean 0
  and variance 1 over the elements, except code 0.

  Returns:
    Row 0, the empty slot, is zero. The smallest distance between two rows is
    1.97; the median distance to the nearest row is 2.4.
  """
  z = np.arange(1, MAX_NUMBER + 1)
  rows = np.array([period(n) for n in z.tolist()], np.float64)
  columns = np.array([column(n) for n in z.tolist()]) - 0.5
  features = [np.ones(len(z)), rows, rows**2]
  features += [np.cos(np.pi * k * columns / NUM_COLUMNS) for k in (1, 2, 3, 4)]
  features += [
    np.cos(np.pi * f * (z - 0.5) / len(z)) for f in _FAST_FREQUENCIES
  ]
  codes, upper = np.linalg.qr(np.stack(features, axis=1))
  # QR leaves the signs undetermined.
  codes = codes * np.sign(np.diag(upper)) * np.sqrt(len(z))
  codes[:, 0] = 1.0
  return np.concatenate([np.zeros((1, len(features))), codes])


def code_table(
  offsets: Float[Array, 'B 94 12'] | None = None,
) -> Float[Array | np.ndarray, 'B 94 12']:
  """Element codes from hydrogen on, plus learnt offsets.

  Args:
    offsets: Learnt offsets; None: the codes alone, [1, 94, 12].
  """
  codes = element_codes()[None, 1:].astype(np.float32)
  return codes if offsets is None else codes + offsets
