"""Synthetic supercells: disordered variants of known crystals."""

from crystal_jax.data.synthetic.supercells import SupercellConfig, supercells

__all__ = ['SupercellConfig', 'supercells']
