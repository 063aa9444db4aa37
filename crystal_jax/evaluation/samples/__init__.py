"""Scores of generated crystals against a data set, whoever generated them.

`score` is the entry. `reference` loads the data set; `distinct`, `coverage`,
`distributions` and `prediction` hold the metrics, `columns` collects them, and
`table` and `report` print them.
"""

from crystal_jax.evaluation.samples.scoring import SampleScores, score

__all__ = ['SampleScores', 'score']
