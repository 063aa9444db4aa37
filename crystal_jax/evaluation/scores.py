"""What an evaluation comes to, whatever the model."""

import dataclasses
from collections.abc import Mapping, Sequence

from crystal_jax.structure.crystal import Crystal


@dataclasses.dataclass(frozen=True)
class Scores:
  """Numbers, crystals and pictures of one evaluation.

  Attributes:
    results: Of each column (train, heldout, oracle, baseline): names to
      numbers; what `metrics.json` holds.
    crystals: Decoded held-out crystals by the name of their file.
    sections: Of the report, as HTML.
    note: What the columns mean, a sentence or two, as HTML.
  """

  results: Mapping[str, Mapping[str, float]]
  crystals: Mapping[str, Crystal]
  sections: Sequence[str]
  note: str
