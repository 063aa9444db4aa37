"""Mutated files give a crystal or one ValueError, within seconds."""

import pytest

from benchmarks import fuzz


@pytest.mark.slow
@pytest.mark.parametrize(
  'kind, count',
  [('cif', 4000), ('poscar', 4000), ('extxyz', 4000), ('npz', 3000),
   ('card', 20)],
)  # fmt: skip
def test_a_result_or_a_value_error(kind, count):
  found = fuzz.fuzz(kind, count, seed=0)
  assert not found['faults'], found['faults'][:10]
  assert found['inputs'] == count
  # Both happen, so the mutations are neither too mild nor too coarse.
  assert found['read'] > count / 100 and found['refused'] > count / 10
