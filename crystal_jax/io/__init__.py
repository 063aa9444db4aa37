"""Crystal files: one crystal at a time, or any number of files.

`read` and `write` handle single files, `cif` and `cif_symmetry` CIFs, `cube`
densities in Gaussian cube files; `reading` reads folders of files with worker
processes.
"""

from crystal_jax.io.read import parse_cif, read, read_all
from crystal_jax.io.write import write

__all__ = ['parse_cif', 'read', 'read_all', 'write']
