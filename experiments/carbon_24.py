r"""Carbon, 6 to 24 atoms: the shipped codec `carbon_24`.

Trained on nine tenths of the published validation split, twins kept together,
for the training split was not at hand.

  python -m benchmarks.own_splits ../shared/data/carbon_24_val.npz --out=data
  python -m experiments.main --config=experiments/carbon_24.py \
    --workdir=runs/carbon_24
"""

from experiments import cell16


def get_config():
  config = cell16.get_config()
  config.data.builder = 'data/carbon_24'
  config.data.max_atoms = 24
  config.model.cell.max_atoms = 24
  config.train.steps = 2_400
  return config
