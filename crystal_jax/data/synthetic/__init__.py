"""Synthetic supercells: disordered variants of known crystals."""

from crystal_jax.data.synthetic.generator import (
  Record,
  SupercellConfig,
  supercells,
)

__all__ = ['Record', 'SupercellConfig', 'supercells']
