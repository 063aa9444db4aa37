"""Atoms in a box to a lattice, and both to a crystal; on the host.

`find_lattice` is in `search`, `assemble` in `assembly`. `box_atoms` asks which
atom a translation carries onto which, `candidates` lists lattices of such
translations, `evidence` weighs what the box says for one.

The numbers of the search were tuned on 2000 crystals of mp_le20_val, and
checked on 1500 of mp_le20_train (benchmarks/RESULTS.md).
"""

from crystal_jax.lattice_search.assembly import LatticeNotFoundError, assemble
from crystal_jax.lattice_search.search import LatticeFit, find_lattice

__all__ = ['LatticeFit', 'LatticeNotFoundError', 'assemble', 'find_lattice']
