"""The commands of `python -m crystal_jax`, a file each.

A command has a module docstring, which is its help text,
`add_arguments(parser)` and `run(args)`, which returns the exit status: 0 only
if something came out.
"""
