r"""The autoencoder of mp_20.py without property heads: its first two trainings.

9,500 steps of cell16.py (the first 4,000 with a cosine of 14,000 steps), then
this; about two hours on two cores shared with other work. benchmarks/RESULTS.md
has the scores of each.

  python -m experiments.main --config=experiments/cell16.py \
    --workdir=runs/mp_20_first --config.data.builder=../shared/data/mp_le20 \
    --config.train.steps=9500
  python -m experiments.main --config=experiments/mp_20_second.py \
    --workdir=runs/mp_20_second
"""

from experiments import cell16


def get_config():
  config = cell16.go_on(cell16.get_config(), 'runs/mp_20_first')
  config.data.builder = '../shared/data/mp_le20'
  config.train.steps = 12_000
  return config
