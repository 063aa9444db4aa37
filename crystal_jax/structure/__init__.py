"""Crystals: species, positions and lattice, and checks on them.

`crystal` holds the class `Crystal`; `elements` the periodic table and element
codes; `lattice` and `primitive` lattice reduction and primitive cells;
`contacts` shortest distances; `validation` the checks that every crystal
passes; `adapters` crystals from objects of ASE and pymatgen.
"""

from crystal_jax.structure.crystal import Crystal

__all__ = ['Crystal']
