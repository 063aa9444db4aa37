"""The view of each coded representation."""

from crystal_jax.evaluation.box_view import BoxView
from crystal_jax.evaluation.cell_view import CellView
from crystal_jax.evaluation.view import View
from crystal_jax.representation import Cell, CodedBox, Representation

__all__ = ['BoxView', 'CellView', 'View', 'make_view']


def make_view(representation: Representation) -> View:
  """The view of a coded representation.

  Raises:
    TypeError: If it has no view.
  """
  if isinstance(representation, Cell):
    return CellView(representation)
  if isinstance(representation, CodedBox):
    return BoxView(representation)
  raise TypeError(
    f'Need a Cell or a CodedBox to evaluate whole crystals, not a '
    f'{type(representation).__name__}.'
  )
