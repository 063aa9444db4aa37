"""Interactive 3-D pages of crystals: atoms, bonds, cell edges, isosurfaces.

A page is one HTML file that opens offline: 3Dmol.js (BSD-3-Clause, version
2.5.5, `static/`) is inside it.

  viewer.write_page('x.html', [[viewer.Panel(crystal)]])
"""

from crystal_jax.viewer.page import Display, page, show, write_page
from crystal_jax.viewer.scene import Panel, caption

__all__ = ['Display', 'Panel', 'caption', 'page', 'show', 'write_page']
