"""Baselines of generated crystals: what a learnt generator has to beat.

`random_structures` draws random sensible structures, `substitution` exchanges
ions of known crystals.
"""
