"""The shipped codecs: what each takes, and how well it gives it back.

  python -m crystal_jax info
  python -m crystal_jax info mp_20

Without a name, a line for each codec: numbers of a latent, elements, largest
primitive cell, size of the weights, and the share of held-out crystals that
come back. With a name (or the folder of a saved one), its card.
"""

import argparse
import json
from typing import Any

from crystal_jax.codec import shipped, weights_file

# Names of columns, and of the rows of --json.
_COLUMNS = 'codec', 'numbers', 'elements', 'atoms', 'MB', 'match', 'trained on'


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of this verb."""
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
  cells = [[_text(name, row[name]) for name in _COLUMNS] for row in rows]
  widths = [max(map(len, column)) for column in zip(_COLUMNS, *cells)]  # noqa: B905
  for line in [_COLUMNS, *cells]:
    padded = (text.ljust(width) for text, width in zip(line, widths))  # noqa: B905
    print('  '.join(padded).rstrip())
  return 0


def summary(name: str) -> dict[str, Any]:
  """What a shipped codec takes and is worth, from its card."""
  folder = shipped.FOLDER / name
  card = weights_file.read_card(folder)
  size = sum(path.stat().st_size for path in folder.iterdir())
  atoms = card['config'].get('cell', {}).get('max_atoms')
  known = card['elements']
  return {
    'codec': name,
    'numbers': card['latent_shape'][0],
    'elements': len(known) if known else None,
    'atoms': atoms if card.get('kind') == 'cell' else None,
    'MB': round(size / 1e6, 1),
    'match': card.get('figures', {}).get('heldout', {}).get('match'),
    'trained on': card.get('trained_on'),
  }


def _text(name: str, value: Any) -> str:
  if value is None:
    return '-'
  if name == 'match':
    return f'{value:.1%}'
  text = str(value)
  return text if len(text) <= 60 else f'{text[:57]}...'
