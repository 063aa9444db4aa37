"""Short description of a codec, from its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Maximum number of elements that are named; otherwise their number is given.
_NAMED = 8


def title(card: Mapping[str, Any]) -> str:
  """The codec's name."""
  return str(card.get('name') or 'without a name')


def sentence(card: Mapping[str, Any], size: int) -> str:
  """The name and `facts` on one line, shortened.

  Args:
    card: Card of the codec; entries may be missing.
    size: Length of a latent.
  """
  known = facts(card, size)
  # How the training crystals were chosen follows a comma.
  known['trained on'] = known['trained on'].split(', ')[0]
  parts = [
    f'{name} {value}' if name in ('elements', 'box', 'trained on') else value
    for name, value in known.items()
  ]
  return f'{title(card)}: {", ".join(parts)}'


def facts(card: Mapping[str, Any], size: int) -> dict[str, str]:
  """Size of a latent, elements, atoms or box, and training crystals.

  Args:
    card: Card of the codec; entries may be missing.
    size: Length of a latent.
  """
  rows = {'latent': f'{size} numbers', 'elements': _elements(card)}
  config = card.get('config', {})
  if card.get('kind') == 'cell' and 'cell' in config:
    most = config['cell']['max_atoms']
    rows['atoms'] = f'up to {most} in the primitive cell'
  elif 'box' in config:
    rows['box'] = f'{config["box"]["length"]:g} Å'
  return rows | {'trained on': _trained_on(card)}


def figures(card: Mapping[str, Any]) -> dict[str, str]:
  """Shares of held-out crystals that match, as text; empty if unknown."""
  heldout = card.get('figures', {}).get('heldout', {})
  rows = {}
  for name in 'match', 'strict':
    if name in heldout:
      rows[f'{name}, held out'] = f'{heldout[name]:.1%}'
  return rows


def _elements(card: Mapping[str, Any]) -> str:
  known = card.get('elements')
  if not known:
    return 'not known'
  return ' '.join(known) if len(known) <= _NAMED else str(len(known))


def _trained_on(card: Mapping[str, Any]) -> str:
  data = card.get('data')
  if card.get('trained_on'):
    return str(card['trained_on'])
  if isinstance(data, Mapping) and 'crystals' in data:
    return f'{data["crystals"]:,} crystals of {data.get("builder", "a file")}'
  return 'not known'
