"""Odd files that people reported elsewhere: read as they mean, or refused.

`expected.json` lists the acceptable outcomes of each file: the formula of the
whole cell, 'refuse', or 'any'.
"""

import collections
import json
import pathlib
import re

import pytest

import crystal_jax as cj

FOLDER = pathlib.Path(__file__).parent / 'reports'
EXPECTED = json.loads((FOLDER / 'expected.json').read_text())


def formula(crystal):
  counts = collections.Counter(crystal.to_ase().symbols)
  return ''.join(f'{symbol}{n}' for symbol, n in sorted(counts.items()))


def in_order(text):
  terms = re.findall(r'([A-Z][a-z]?)(\d+)', text)
  return ''.join(f'{symbol}{n}' for symbol, n in sorted(terms))


def test_every_file_is_expected():
  files = {path.name for path in FOLDER.iterdir()} - {'expected.json'}
  assert files == set(EXPECTED)


@pytest.mark.parametrize('name', sorted(EXPECTED))
def test_a_reported_file_is_read_rightly_or_refused(name):
  allowed = EXPECTED[name]
  try:
    found = formula(cj.read(FOLDER / name))
  except ValueError as error:
    assert 'refuse' in allowed, error
    assert name in str(error)
    return
  assert 'any' in allowed or found in map(in_order, allowed)
