r"""Whole crystals of the Materials Project: the shipped codec `mp_20`.

42,373 crystals of up to 20 atoms, without any formula of MP-20's val and test
splits. It goes on from mp_20_second.py with property heads, an encoder that is
given the lattice and has a block more; about an hour and a half on one core
beside other work. benchmarks/RESULTS.md has the scores.

`runs/mp_le20_*.npz` are the compact files with formation energies:

  from crystal_jax import data
  energies = np.load('../shared/data/mp_le20_energy.npz')
  for split in 'train', 'val':
    data.add_scalars(
      f'../shared/data/mp_le20_{split}.npz', f'runs/mp_le20_{split}.npz',
      {'formation_energy_per_atom': energies[f'formation_{split}']},
    )

  python -m experiments.main --config=experiments/mp_20.py \
    --workdir=runs/mp_20
"""

from experiments import cell16


def get_config():
  config = cell16.go_on(cell16.get_config(), 'runs/mp_20_second')
  config.data.builder = 'runs/mp_le20'
  config.model.cell_vae.encoder = 'ppa'
  config.model.cell_vae.conditioned = True
  config.model.properties = (
    'element_fractions',
    'crystal_system',
    'num_atoms',
    'volume_per_atom',
    'formation_energy_per_atom',
  )
  config.train.cell_loss.occupancy = 200.0
  config.train.steps = 3300
  return config
