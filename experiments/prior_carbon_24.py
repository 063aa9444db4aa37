r"""The prior of `carbon_24`: latents of carbon under numbers of atoms.

As `prior_perov_5`, on nine tenths of the published validation split, with
duplicates kept together. Minutes of a core:

  python -m benchmarks.split_published_val ../shared/data/carbon_24_val.npz \
    --out=data
  python -m experiments.main --config=experiments/prior_carbon_24.py \
    --workdir=runs/prior_carbon_24
  python -m crystal_jax.generation.export runs/prior_carbon_24 \
    crystal_jax/weights/carbon_24

benchmarks/RESULTS.md has what the shipped prior was trained for and reached.
"""

from experiments import prior_perov_5


def get_config():
  config = prior_perov_5.small_prior('carbon_24', 'energy_per_atom')
  config.data.max_atoms = 24
  return config
