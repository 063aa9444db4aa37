r"""Carbon, 6 to 24 atoms: the shipped codec `carbon_24`.

Trained on nine tenths of the published validation split, with duplicates kept
together, because the training split was not at hand. Two trainings in sequence:

  python -m benchmarks.split_published_val ../shared/data/carbon_24_val.npz \
    --out=data
  python -m experiments.main --config=experiments/cell16.py \
    --workdir=runs/carbon_24_first --config.data.builder=data/carbon_24 \
    --config.data.max_atoms=24 --config.model.cell.max_atoms=24 \
    --config.train.steps=2400
  python -m experiments.main --config=experiments/carbon_24.py \
    --workdir=runs/carbon_24
"""

from experiments import cell16


def get_config():
  config = cell16.go_on(cell16.get_config(), 'runs/carbon_24_first')
  config.data.builder = 'data/carbon_24'
  config.data.max_atoms = 24
  config.model.cell.max_atoms = 24
  config.train.steps = 1_500
  return config
