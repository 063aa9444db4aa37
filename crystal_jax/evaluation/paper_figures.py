"""The paper's figures of a box: counts, species and errors, crystal by crystal.

Those of Hoffmann et al., arXiv:1909.00949.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from crystal_jax.evaluation import figures
from crystal_jax.evaluation.box_cases import FARTHEST
from crystal_jax.evaluation.comparison import compare_atoms
from crystal_jax.evaluation.report import image


def sections(cases: Sequence) -> list[str]:
  """HTML of one picture with a panel each.

  Args:
    cases: Of `coded_box_cases`.
  """
  compared = [
    compare_atoms(
      *dataclasses.astuple(case.atoms),
      *dataclasses.astuple(case.decoded['networks']),
      farthest=FARTHEST,
    )
    for case in cases
  ]
  count = np.array([case.atoms.inside.sum() for case in cases])
  decoded = [case.decoded['networks'].inside.sum() for case in cases]
  apart = [np.median(one.true_distances) for one in compared]
  numbers = np.concatenate([one.true_numbers for one in compared])
  nearest = np.concatenate([one.nearest_numbers for one in compared])
  panels = [
    ('atoms in the box', 'decoded', count, np.array(decoded), True),
    ('atomic number', 'of the nearest decoded atom', numbers, nearest, True),
    ('atoms in the box', 'to the nearest, Å', count, np.array(apart), False),
  ]
  return [
    '<h2>Held-out boxes as the paper draws them</h2>',
    image(figures.against(panels)),
  ]
