"""Install crystal_jax: `pip install -e .`, or with an extra, `'.[test]'`."""

import pathlib

import setuptools

_HERE = pathlib.Path(__file__).parent

# 0.10.2 returns wrong numbers on CPU (jax issue 39103); 0.11.0 and 0.11.1 have
# the same fault.
_JAX = '>=0.10.1,!=0.10.2,!=0.11.0,!=0.11.1'

# Training and `prepare`: data sets, checkpoints, logs, reports.
_TRAIN = [
  'absl-py>=2',  # flags, logging
  'array_record>=0.5',  # the file format of the data sets
  'grain>=0.2.8',  # shuffles, shards and batches, and saves its position
  'importlib_resources',  # imported by tensorflow-datasets, not declared
  'matplotlib>=3.8',  # the figures of the report
  'optax>=0.2.5',  # optimizers and schedules
  'orbax-checkpoint>=0.11',  # checkpoints
  'pymatgen>=2024.8',  # matches crystals, as published results are scored
  'tensorboardX>=2.6',  # TensorBoard files without TensorFlow
  'tensorflow-datasets>=4.9.7',  # data sets, without TensorFlow
]

# Published metrics of generated crystals: validity of compositions, and the
# fingerprints of coverage.
_SMACT = 'smact>=3'
_EVAL = [_SMACT, 'matminer>=0.9']

# Relaxation and energies, weights included. Brings torch, 3 to 6 GB.
_STABILITY = ['chgnet>=0.4']

# Baselines of fitted properties: gradient boosting on element fractions.
_PROPERTIES = ['scikit-learn>=1.4']

# `cj.plots`: figures, and t-SNE for maps of latents.
_PLOTS = ['matplotlib>=3.8', *_PROPERTIES]

setuptools.setup(
  name='crystal_jax',
  version='0.1.0',
  description='3-D crystals to densities, latents and back, in JAX.',
  long_description=(_HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  license_files=['LICENSE'],
  classifiers=[
    'Intended Audience :: Science/Research',
    'Programming Language :: Python :: 3.11',
    'Programming Language :: Python :: 3.12',
    'Topic :: Scientific/Engineering :: Chemistry',
    'Topic :: Scientific/Engineering :: Physics',
  ],
  packages=setuptools.find_packages(include=['crystal_jax', 'crystal_jax.*']),
  package_data={
    'crystal_jax': [
      'py.typed',
      'structure/*.npz',
      'viewer/static/*',
      'weights/*/*',
    ]
  },
  entry_points={'console_scripts': ['crystal-jax=crystal_jax.__main__:main']},
  python_requires='>=3.11',
  install_requires=[
    f'jax{_JAX}',
    'flax>=0.12',  # the networks (linen)
    'numpy>=1.26',
    'scipy>=1.12',  # sparse sums, assignments
    'ase>=3.23',  # reads and writes crystal files
    'spglib>=2.5',  # primitive cells and symmetric positions
    'gemmi>=0.7',  # parses CIF files, and knows their space groups
    'jaxtyping>=0.2.36',  # shapes in signatures
    'ml-collections>=1.0',  # configs, of a codec's card too
    'safetensors>=0.4',  # weights of a codec, no code in the file
    'tqdm>=4.66',  # progress on a terminal
  ],
  extras_require={
    'train': _TRAIN,
    'test': [
      *_TRAIN,
      *_PROPERTIES,
      _SMACT,
      'pytest>=8',
      'pytest-xdist>=3.7',
      'beartype>=0.19',  # checks shapes of public functions
      'hypothesis>=6.100',  # cells of all shapes
      'nbformat>=5.7',  # reads the notebooks
      'nbclient>=0.8',  # runs them
      'ipykernel>=6.29',  # the kernel they run in
    ],
    'dev': ['ruff==0.17.6', 'mypy>=1.18', 'pre-commit'],
    'eval': _EVAL,
    'properties': _PROPERTIES,
    'plots': _PLOTS,
    'stability': _STABILITY,
    'docs': ['mkdocs-material>=9.5', 'mkdocstrings[python]>=0.29'],
    'bench': ['molgrid', 'cryojax', 'numba'],
    'beam': ['apache-beam', 'pyarrow'],  # sets of millions; parquet files
    'cuda': [f'jax[cuda13]{_JAX}'],
    'tpu': [f'jax[tpu]{_JAX}'],
  },
)
