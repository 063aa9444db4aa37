"""Install crystal_jax: `pip install -e .`, or with an extra, `'.[test]'`."""

import pathlib

import setuptools

_HERE = pathlib.Path(__file__).parent

setuptools.setup(
  name='crystal_jax',
  version='0.1.0',
  description='3-D crystals to densities, latents and back, in JAX.',
  long_description=(_HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  packages=setuptools.find_packages(include=['crystal_jax', 'crystal_jax.*']),
  python_requires='>=3.11',
  install_requires=[
    # 0.10.2 returns wrong numbers on CPU (jax issue 39103); 0.11.0 and 0.11.1
    # have the same fault.
    'jax>=0.10.1,!=0.10.2,!=0.11.0,!=0.11.1',
    'flax>=0.12',  # the networks (linen)
    'optax>=0.2.4',  # optimizers and schedules
    'orbax-checkpoint>=0.11',  # checkpoints
    'numpy>=1.26',
    'ase>=3.23',  # reads and writes crystal files
    'jaxtyping>=0.2.36',  # shapes in signatures
    'ml-collections>=1.0',  # experiment configs
    'tensorflow-datasets>=4.9.7',  # data sets, without TensorFlow
    'importlib_resources',  # imported by tensorflow-datasets, not declared
    'array_record>=0.5',  # the file format of the data sets
    'grain>=0.2.3',  # shuffles, shards and batches, and saves its position
    'tensorboardX>=2.6',  # TensorBoard files without TensorFlow
    'tqdm>=4.66',  # progress on a terminal
    'matplotlib>=3.8',  # the pictures of the report
  ],
  extras_require={
    'test': [
      'pytest>=8',
      'pytest-xdist>=3.5',
      'hypothesis>=6.100',
      'pymatgen>=2024.8',
    ],
    'eval': ['pymatgen>=2024.8', 'smact>=3'],
    'notebooks': ['jupytext', 'nbmake', 'ipykernel', 'plotly'],
    'bench': ['molgrid', 'cryojax', 'numba', 'scipy'],
    'beam': ['apache-beam'],
    'cuda': ['jax[cuda13]>=0.10.1,!=0.10.2,!=0.11.0,!=0.11.1'],
    'tpu': ['jax[tpu]>=0.10.1,!=0.10.2,!=0.11.0,!=0.11.1'],
  },
)
