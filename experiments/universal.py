r"""Crystals of up to 96 atoms: the shipped codec `universal`.

The layers of `mp_20` on 24³ voxels (`crystal_jax.training.other_grid`), trained
on for an hour on one core: 88,654 crystals of the Materials Project, OQMD and
`datasets/synthetic_supercells`, half of each batch above 20 atoms. Heads of
formation energies learn from the 42,331 crystals that have one.

`runs/universal_*.npz` are the compact files with the energies and space groups
of `mp_le20_train`, by id; NaN where there is none (`data.add_scalars`).

  python -m experiments.main --config=experiments/universal.py \
    --workdir=runs/universal
"""

from experiments import cell24, mp_20


def get_config():
  config = cell24.get_config()
  config.data.builder = 'runs/universal'
  vae, trained = config.model.cell_vae, mp_20.get_config().model
  vae.encoder = trained.cell_vae.encoder
  vae.conditioned = trained.cell_vae.conditioned
  config.model.properties = trained.properties
  config.train.start_from = 'crystal_jax/weights/mp_20'
  config.train.steps = 1500
  config.train.learning_rate = 8e-4
  config.train.checkpoint_every = 250
  return config
