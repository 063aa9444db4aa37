r"""Whole crystals of the Materials Project: the shipped codec `mp_20`.

42,373 crystals of up to 20 atoms, without any formula of MP-20's val and test
splits. About 70 minutes on two cores, while other work ran beside it;
benchmarks/RESULTS.md has what it reaches.

  python -m experiments.main --config=experiments/mp_20.py \
    --workdir=runs/mp_20
"""

from experiments import cell16


def get_config():
  config = cell16.get_config()
  config.data.builder = '../shared/data/mp_le20'
  config.train.steps = 9_500
  return config
