"""The shipped codecs: their inputs, latents, sizes and matches.

  python -m crystal_jax info
  python -m crystal_jax info mp_20

Without a name, a line for each codec: length of a latent, number of elements,
atoms of the largest primitive cell, size of the folder (prior included), share
of held-out crystals that match, and training crystals. With a name (or the
folder of a saved codec), its card.
"""

import argparse
import json
from typing import Any

from crystal_jax.codec import coverage, shipped, weights_file

# Heading of each column, by its name in --json.
_HEADINGS = {
  'codec': 'codec',
  'latent_size': 'latent size',
  'num_elements': 'elements',
  'max_atoms': 'atoms',
  'size_mb': 'MB',
  'match': 'match',
  'trained_on': 'trained on',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this command."""
  parser.add_argument('name', nargs='?', help='a codec: print its card')
  parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> int:
  """Prints the table or a card; returns the exit status."""
  if args.name:
    card = weights_file.read_card(shipped.find(args.name))
    print(json.dumps(card, indent=1, ensure_ascii=False))
    return 0
  rows = [summary(name) for name in shipped.names()]
  if args.json:
    print(json.dumps(rows, indent=1, ensure_ascii=False))
    return 0
  head = [*_HEADINGS.values()]
  cells = [[_text(name, row[name]) for name in _HEADINGS] for row in rows]
  widths = [max(map(len, column)) for column in zip(head, *cells)]  # noqa: B905
  for line in [head, *cells]:
    padded = (text.ljust(width) for text, width in zip(line, widths))  # noqa: B905
    print('  '.join(padded).rstrip())
  return 0


def summary(name: str) -> dict[str, Any]:
  """One row of the table, from the codec's card."""
  folder = shipped.FOLDER / name
  card = weights_file.read_card(folder)
  size = sum(path.stat().st_size for path in folder.iterdir())
  limits = coverage.limits_of(card)
  return {
    'codec': name,
    'latent_size': card['latent_shape'][0],
    'num_elements': len(limits.elements) if limits.elements else None,
    'max_atoms': limits.max_atoms,
    'size_mb': round(size / 1e6, 1),
    'match': card.get('figures', {}).get('heldout', {}).get('match'),
    'trained_on': card.get('trained_on'),
  }


def _text(name: str, value: Any) -> str:
  if value is None:
    return '-'
  if name == 'match':
    return f'{value:.1%}'
  text = str(value)
  return text if len(text) <= 60 else f'{text[:57]}...'
