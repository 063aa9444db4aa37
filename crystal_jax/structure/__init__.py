"""Crystals as data: species, positions, lattice, and checks on them.

`crystal` holds the class `Crystal`; `elements` the periodic table and element
codes; `lattice` and `primitive` lattice reduction and primitive cells;
`contacts` shortest distances; `adapters` crystals of ASE and pymatgen;
`validation` the checks that every crystal passes.
"""

from crystal_jax.structure.crystal import Crystal

__all__ = ['Crystal']
