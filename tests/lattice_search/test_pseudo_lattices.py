"""Lattices that nearly map a box onto itself.

The crystals are of the Materials Project and lie as their files have them, axes
along the box.
"""

import numpy as np
import pytest

import crystal_jax as cj
from tests.lattice_search.boxes import assert_same_crystal, images


def crystal(cell, species, fractional):
  numbers = [number for number, count in species for _ in range(count)]
  cell = np.array(cell, float) * (np.eye(3) if np.ndim(cell) == 1 else 1)
  return cj.Crystal(np.array(numbers), np.array(fractional) @ cell, cell)


# Body-centred: (a + b) / 2 + c is no translation of the primitive cell, but
# nothing in the box says so.
K3DY = crystal(
  [[5.406, 0, -5.648], [-0.871, 5.335, -5.648], [0, 0, 7.818]],
  [(19, 3), (66, 1)],
  [[0.75, 0.25, 0.5], [0.25, 0.75, 0.5], [0.5, 0.5, 0], [0, 0, 0]],
)
# Nearly hcp of an eighth of the volume, but for one tin in sixteen atoms.
MG15SN = crystal(
  [[6.339, 0, 0], [-3.169, 5.489, 0], [0, 0, 10.328]],
  [(12, 15), (50, 1)],
  [
    [0, 0, 0], [0.9989, 0.4995, 0.5], [0.0004, 0.5002, 0],
    [0.5005, 0.4995, 0.5], [0.4998, 0.5002, 0], [0.5005, 0.0011, 0.5],
    [0.4998, 0.9996, 0], [0.1671, 0.3342, 0.2501], [0.1671, 0.3342, 0.7499],
    [0.1671, 0.8329, 0.2501], [0.1671, 0.8329, 0.7499],
    [0.6658, 0.8329, 0.2501], [0.6658, 0.8329, 0.7499],
    [0.6667, 0.3333, 0.2498], [0.6667, 0.3333, 0.7502], [0, 0, 0.5],
  ],
)  # fmt: skip
# Half of its long axis moves no atom by more than 0.3 Å.
CE4SI9RH3 = crystal(
  [4.187, 4.214, 16.68],
  [(58, 4), (14, 9), (45, 3)],
  [
    [0.25, 0, 0.4007], [0.25, 0.5, 0.896], [0.75, 0.5, 0.1123],
    [0.75, 0, 0.6054], [0.25, 0, 0.032], [0.25, 0.5, 0.5362],
    [0.75, 0.5, 0.4603], [0.75, 0, 0.9641], [0.25, 0.5, 0.2513],
    [0.25, 0, 0.7499], [0.75, 0, 0.2528], [0.75, 0.5, 0.7515],
    [0.25, 0, 0.1702], [0.25, 0.5, 0.6784], [0.75, 0.5, 0.3156],
    [0.75, 0, 0.8232],
  ],
)  # fmt: skip
# Mg6FeCO8: rocksalt of metal and oxygen, but for carbon and small shifts.
MG6FECO8 = crystal(
  [8.501, 4.251, 4.251],
  [(12, 6), (26, 1), (6, 1), (8, 8)],
  [
    [0.5, 0, 0], [0.5, 0.5, 0.5], [0.2463, 0, 0.5], [0.7537, 0, 0.5],
    [0.2463, 0.5, 0], [0.7537, 0.5, 0], [0, 0, 0], [0, 0.5, 0.5],
    [0.2511, 0, 0], [0.7489, 0, 0], [0.2508, 0.5, 0.5], [0.7492, 0.5, 0.5],
    [0, 0, 0.5], [0.5, 0, 0.5], [0, 0.5, 0], [0.5, 0.5, 0],
  ],
)  # fmt: skip
CASES = {
  'K3Dy': K3DY, 'Mg15Sn': MG15SN, 'Ce4Si9Rh3': CE4SI9RH3, 'Mg6FeCO8': MG6FECO8
}  # fmt: skip


@pytest.mark.parametrize('noise', [0.0, 1e-4])
@pytest.mark.parametrize('truth', CASES.values(), ids=CASES)
def test_what_is_found_is_right(truth, noise):
  atoms = images(truth, half=5.3, noise=noise, length=10.0)
  fit = cj.find_lattice(atoms)
  if fit.found:
    assert_same_crystal(cj.assemble(atoms, fit), truth)
