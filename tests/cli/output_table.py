"""The table that a command wrote into its folder."""

import csv

from crystal_jax.cli import outputs


def table(folder):
  with open(folder / outputs.TABLE, newline='') as file:
    return [*csv.DictReader(file, delimiter='\t')]
