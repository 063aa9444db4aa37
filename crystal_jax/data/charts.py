"""SVG charts for HTML pages without scripts or network resources."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
from jaxtyping import ArrayLike

from crystal_jax.structure import elements

_WIDTH, _HEIGHT, _FOOT = 360, 150, 34  # Pixels.
_BAR_COLOUR = '#3b6ea5'


def histogram(
  values: ArrayLike, title: str, unit: str = '', bins: int = 30
) -> str:
  """Histogram of the finite values."""
  array = np.asarray(values, float)
  finite = array[np.isfinite(array)]
  left_out = len(array) - len(finite)
  note = f'{len(finite)} values' + (f', {left_out} missing' * bool(left_out))
  if not len(finite):
    return _figure(title, '', note)
  low, high = finite.min(), finite.max()
  whole = (finite == np.round(finite)).all() and high - low < 2 * bins
  if whole:
    counts, edges = np.histogram(finite, np.arange(low - 0.5, high + 1))
  else:
    counts, edges = np.histogram(finite, bins)
  step = _WIDTH / len(counts)
  bars = ''.join(
    _bar(i * step, step, count / counts.max(), f'{a:.4g} to {b:.4g}: {count}')
    for i, (count, a, b) in enumerate(
      zip(counts, edges[:-1], edges[1:], strict=True)
    )
  )
  middle = f'median {np.median(finite):.4g} {unit}'
  ends = (f'{low:.4g}', middle, f'{high:.4g} {unit}')
  return _figure(title, bars + _labels(ends), note)


def ranking(counts: Mapping[str, int], title: str, most: int = 20) -> str:
  """A table of the most frequent names."""
  top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
  rows = ''.join(
    f'<tr><td>{html.escape(str(name))}</td><td class="n">{count}</td></tr>'
    for name, count in top
  )
  rest = f'and {len(counts) - most} more' if len(counts) > most else ''
  return (
    f'<figure><figcaption>{html.escape(title)}</figcaption>'
    f'<table>{rows}</table><small>{rest}</small></figure>'
  )


def periodic_table(counts: Mapping[str, int], title: str) -> str:
  """The periodic table; elements of more crystals are darker."""
  size = 30
  most = max(counts.values(), default=1)
  cells = []
  for number in range(1, elements.MAX_NUMBER + 1):
    symbol = elements.symbol(number)
    count = counts.get(symbol, 0)
    row, column = _table_position(number)
    shade = np.log1p(count) / np.log1p(most)
    red, green, blue = (round(255 - shade * (255 - c)) for c in (30, 80, 140))
    ink = '#fff' if shade > 0.55 else '#000' if count else '#aaa'
    x, y = column * size, row * size
    cells.append(
      f'<g><title>{symbol}: {count} crystals</title>'
      f'<rect x="{x}" y="{y}" width="{size - 2}" height="{size - 2}" '
      f'fill="rgb({red},{green},{blue})" stroke="#ccc"/>'
      f'<text x="{x + size / 2 - 1}" y="{y + 19}" fill="{ink}" '
      f'text-anchor="middle">{symbol}</text></g>'
    )
  return (
    f'<figure class="wide"><figcaption>{html.escape(title)}</figcaption>'
    f'<svg viewBox="0 0 {18 * size} {9.5 * size}" width="{18 * size}">'
    f'{"".join(cells)}</svg></figure>'
  )


def _table_position(number: int) -> tuple[float, int]:
  """Row and column of an element in the 18-column table."""
  period, column = elements.period(number), elements.column(number)
  if 3 <= column <= 16:  # Lanthanides and actinides stand below.
    return period + 1.5, column - 1
  return period - 1, column - 1 if column <= 2 else column - 15


def _bar(x, width, share, text) -> str:
  height = share * (_HEIGHT - 10)
  return (
    f'<rect x="{x:.1f}" y="{_HEIGHT - height:.1f}" fill="{_BAR_COLOUR}" '
    f'width="{max(width - 1, 0.5):.1f}" height="{height:.1f}">'
    f'<title>{html.escape(text)}</title></rect>'
  )


def _labels(texts) -> str:
  anchored = zip(
    texts, (0, _WIDTH / 2, _WIDTH), ('start', 'middle', 'end'), strict=True
  )
  return ''.join(
    f'<text x="{x}" y="{_HEIGHT + 18}" text-anchor="{anchor}">'
    f'{html.escape(text)}</text>'
    for text, x, anchor in anchored
  )


def _figure(title, inside, note) -> str:
  return (
    f'<figure><figcaption>{html.escape(title)}</figcaption>'
    f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}" width="{_WIDTH}">{inside}'
    f'</svg><small>{html.escape(note)}</small></figure>'
  )
