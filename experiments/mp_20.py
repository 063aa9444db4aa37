r"""Whole crystals of the Materials Project: the shipped codec `mp_20`.

42,373 crystals of up to 20 atoms, without any formula of MP-20's val and test
splits. The shipped weights are from two trainings in sequence, about two hours
on two cores shared with other work: 9,500 steps of cell16.py (the first 4,000
with a cosine of 14,000 steps), then this. benchmarks/RESULTS.md has the scores
of each.

  python -m experiments.main --config=experiments/cell16.py \
    --workdir=runs/mp_20_first --config.data.builder=../shared/data/mp_le20 \
    --config.train.steps=9500
  python -m experiments.main --config=experiments/mp_20.py \
    --workdir=runs/mp_20
"""

from experiments import cell16


def get_config():
  config = cell16.go_on(cell16.get_config(), 'runs/mp_20_first')
  config.data.builder = '../shared/data/mp_le20'
  config.train.steps = 12_000
  return config
