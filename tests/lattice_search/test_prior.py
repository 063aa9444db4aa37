"""A prior of the cell decides between lattices of about equal support."""

import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.lattice_search import candidates, support
from tests import crystals
from tests.lattice_search.boxes import images

SMALL, LARGE = np.diag([4.0, 4.0, 4.0]), np.diag([4.0, 4.0, 8.0])


def search(monkeypatch, supports, prior):
  """The volume of what is found where only two lattices are to be had."""

  def measure(box, cell, centre=None):
    del box, centre
    count = 10 if cell is SMALL else 20
    return support.Support(
      cell, None, supports[count], pairs=15, count=count, crowding=1.0, rms=0.0
    )

  monkeypatch.setattr(candidates, 'lattices', lambda *_: [SMALL, LARGE])
  monkeypatch.setattr(support, 'measure', measure)
  fit = cj.find_lattice(images(crystals.bcc()), prior=prior)
  return abs(np.linalg.det(fit.cell))


@pytest.mark.parametrize('supports', [{10: 8, 20: 17}, {10: 9, 20: 16}])
def test_the_prior_decides_between_lattices_of_equal_support(
  monkeypatch, supports
):
  for prior in SMALL, LARGE:
    volume = search(monkeypatch, supports, prior)
    np.testing.assert_allclose(volume, np.linalg.det(prior), rtol=1e-6)


def test_the_prior_does_not_outvote_the_box(monkeypatch):
  volume = search(monkeypatch, {10: 9, 20: 4}, LARGE)
  np.testing.assert_allclose(volume, np.linalg.det(SMALL), rtol=1e-6)
