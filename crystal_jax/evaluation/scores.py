"""The result of an evaluation, for any model."""

import dataclasses
from collections.abc import Mapping, Sequence

from crystal_jax.structure.crystal import Crystal
from crystal_jax.viewer import Panel


@dataclasses.dataclass(frozen=True)
class Scores:
  """Metrics, crystals and pictures of one evaluation.

  Attributes:
    results: Metrics by column (train, heldout, oracle, baseline) and name, as
      `metrics.json` holds them.
    crystals: Decoded held-out crystals by id, written to `cif/`.
    headline: The main figure and what it is of, one sentence of HTML.
    sections: Further sections of the report, HTML.
    note: What the columns mean, a sentence or two of HTML.
    pairs: Rows of a page: held-out crystals and what came back. Empty: no page.
  """

  results: Mapping[str, Mapping[str, float]]
  crystals: Mapping[str, Crystal]
  headline: str
  sections: Sequence[str]
  note: str
  pairs: Sequence[Sequence[Panel]] = ()
