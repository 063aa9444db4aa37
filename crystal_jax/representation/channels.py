"""Weight of each element in each channel of a density."""

from crystal_jax.structure import elements


def make_channels(kind: str) -> tuple[tuple[float, ...], ...]:
  """Weights of all classes, [95, C]; channel 0 is Z itself.

  Args:
    kind: 'number': Z alone. 'elements': 40 channels, Z and the position in the
      periodic table, in units of `elements.UNIT_NUMBER`.

  Raises:
    ValueError: If the kind is neither of these.
  """
  if kind == 'number':
    return tuple((float(number),) for number in range(elements.NUM_CLASSES))
  if kind == 'elements':
    table = elements.UNIT_NUMBER * elements.channel_table()
    return tuple(tuple(map(float, row)) for row in table)
  raise ValueError(f"Need box.channels={kind!r} to be 'number' or 'elements'.")
