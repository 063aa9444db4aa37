"""Folders of crystal files, and what was made of them."""

import csv

from crystal_jax import data
from crystal_jax.data import splits
from tests.data import bad_files


def skipped(folder):
  with (folder / 'skipped.csv').open(newline='', encoding='utf-8') as file:
    return {row['file']: row for row in csv.DictReader(file)}


def records(folder):
  found = {}
  for split in splits.SPLITS:
    try:
      source = data.load_split(folder, split)
    except ValueError:
      continue
    found |= {record['id']: (split, record) for record in source}
  return found


def save_many(folder, count=30, pairs='Na Cl;K Br;Li F;Mg O;Cs I;Rb Br;Ca O'):
  folder.mkdir()
  pairs = [pair.split() for pair in pairs.split(';')]
  for i in range(count):
    first, second = pairs[i % len(pairs)]
    text = bad_files.cif(first, second, a=4 + 0.01 * (i % 451))
    (folder / f'x{i}.cif').write_text(text)
