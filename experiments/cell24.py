r"""Crystals of up to 96 atoms through a latent of 3,246 numbers, on 24³ voxels.

As cell16.py, for larger cells: an atom fills a smaller part of the grid, so its
occupancy weighs more, and half of each batch has more than 20 atoms.

  python -m experiments.main --config=experiments/cell24.py \
    --workdir=runs/cell24 --config.data.builder=../shared/data/universal
"""

from experiments import cell16


def get_config():
  config = cell16.get_config()
  config.model.cell.size = 24
  config.model.cell.max_atoms = 96
  config.data.max_atoms = 96
  config.data.large_share = 0.5
  config.train.cell_loss.occupancy = 300.0
  config.train.cell_loss.beta = 5e-5
  config.train.cell_loss.atoms = 48
  return config
