"""Stability of crystals: relaxed by a potential, held against a convex hull.

`relaxation` moves atoms and cells, `hull` has the known crystals, `cache`
keeps what was relaxed, and `scores` puts them together. Potentials are ASE
calculators (`calculators`); CHGNet is the extra `[stability]`.
"""
