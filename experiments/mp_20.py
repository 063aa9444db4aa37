r"""Whole crystals of the Materials Project: the shipped codec `mp_20`.

42,373 crystals of up to 20 atoms, without any formula of MP-20's val and test
splits. The shipped weights took about an hour on two cores beside other work,
the first 4,000 steps with train.steps=14000 and the rest resumed with this;
unbroken it was not run. benchmarks/RESULTS.md has what they reach.

  python -m experiments.main --config=experiments/mp_20.py \
    --workdir=runs/mp_20
"""

from experiments import cell16


def get_config():
  config = cell16.get_config()
  config.data.builder = '../shared/data/mp_le20'
  config.train.steps = 9_500
  return config
