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
    headline: One sentence of HTML with the main figure.
    sections: Further sections of the report, HTML.
    note: Explanation of the columns, a sentence or two of HTML.
    pairs: Rows of the page of pairs: held-out crystals and decoded ones. Empty:
      no page.
  """

  results: Mapping[str, Mapping[str, float]]
  crystals: Mapping[str, Crystal]
  headline: str
  sections: Sequence[str]
  note: str
  pairs: Sequence[Sequence[Panel]] = ()
