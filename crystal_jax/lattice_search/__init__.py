"""Atoms in a box to a lattice, and both to a crystal; on the host.

`find_lattice` is in `search`, `assemble` in `assembly`. `box_atoms` finds which
atom a translation maps onto which, `candidates` lists lattices of such
translations, `support` measures how well the atoms support one. `config` holds
the tuned numbers: on 2,000 crystals of mp_le20_val, and checked on 1,500 of
mp_le20_train (benchmarks/RESULTS.md).
"""

from crystal_jax.lattice_search.assembly import LatticeNotFoundError, assemble
from crystal_jax.lattice_search.lattice_fit import LatticeFit
from crystal_jax.lattice_search.search import find_lattice

__all__ = ['LatticeFit', 'LatticeNotFoundError', 'assemble', 'find_lattice']
