"""The coded box: encoded, decoded, and refused crystals."""

import jax
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec.model import make_model
from crystal_jax.density import count_images
from crystal_jax.evaluation import matching
from crystal_jax.structure import elements
from experiments import base
from tests import crystals
from tests.representation.test_box import arrays_of, batch_of


def make(filling='repeating', size=24, length=8.0):
  config = base.get_config().model
  config.representation = 'coded_box'
  config.box.filling = filling
  config.box.size = size
  config.box.length = length
  config.box.max_decoded = 192
  return make_model(config).representation


def prepared(box, *structures):
  """Columns and examples of crystals."""
  arrays, dropped = box.prepare(arrays_of(*structures))
  assert not dropped
  box = box.sized(arrays)
  return arrays, jax.jit(box.examples)(None, batch_of(arrays))


def compare(true, found):
  return matching.compare(true, found, workers=0, progress=False)


@pytest.fixture(scope='module')
def small():
  """Crystals that a box of 8 Å shows whole."""
  structures = crystals.embedded(60)
  return [c for c in structures if np.linalg.norm(c.cell, axis=1).max() < 5.3][
    :6
  ]


@pytest.mark.slow
def test_crystals_come_back_from_a_wrong_predicted_lattice(small):
  box = make()
  arrays, examples = prepared(box, *small)
  outputs = dict(examples.targets)
  # Too far off for a crystal, and of the last no lattice at all.
  outputs['lattice'] = outputs['lattice'] + 0.03
  outputs['lattice'] = outputs['lattice'].at[-1, 3:].set(-0.9)
  found = box.crystals(outputs)
  compared = compare(small, found)
  assert all(c.strict for c in compared)
  assert arrays['positions'].shape == (*arrays['numbers'].shape, 3)
  # Of all that they may be one is right, whatever is said.
  for index, candidates in zip(
    [5, 1], box.candidates(outputs, [5, 1]), strict=True
  ):
    compared = compare([small[index]] * len(candidates), candidates)
    assert any(c.strict for c in compared)


@pytest.mark.slow
def test_a_single_cell_comes_back_in_the_predicted_lattice(small):
  box = make('single_cell', size=30, length=10.0)
  assert box.input_shapes['lattice'] == (6,)
  assert box.candidates({}, [0, 1]) == [[], []]
  rows = box.prepare(arrays_of(*small))[0]['row']
  structures = [small[i] for i in rows]
  _, examples = prepared(box, *structures)
  found = box.crystals(examples.targets)
  assert len(structures) > 2
  assert all(c.strict for c in compare(structures, found))


@pytest.mark.slow
def test_every_description_gives_the_same_inputs():
  crystal = crystals.perovskite()
  atoms = crystal.to_ase()
  atoms.rotate(40, (1, 2, 3), rotate_cell=True)
  atoms.positions += 0.7
  atoms = atoms.repeat((1, 2, 1))
  other = cj.Crystal.from_ase(atoms[::-1])
  _, first = prepared(make(size=12, length=6.0), crystal)
  _, again = prepared(make(size=12, length=6.0), other)
  np.testing.assert_allclose(
    first.inputs['density'], again.inputs['density'], atol=2e-3
  )


def test_the_atoms_inside_are_where_the_density_is():
  box = make()
  arrays, examples = prepared(box, crystals.perovskite())
  targets = jax.device_get(examples.targets)
  inside = targets['numbers'][0] > 0
  centre = arrays['cell'][0].sum(0) / 2
  atoms = arrays['numbers'][0] > 0
  count = count_images(
    arrays['positions'][0][atoms] - centre,
    arrays['cell'][0],
    grid=box.box.grid,
    sigma=1e-6,
  )
  assert inside.sum() == count
  at = tuple(np.rint(targets['voxel_positions'][0][inside]).astype(int).T)
  assert targets['occupancy'][0][at].min() > 0.6
  codes = targets['codes'][0][at]
  table = elements.element_codes()[1:]
  nearest = np.square(codes[:, None] - table[None]).sum(-1).argmin(1) + 1
  assert (nearest == targets['numbers'][0][inside]).mean() > 0.95


@pytest.mark.parametrize('length', [2.0, 3.0, 6.0])
def test_max_images_suffices_for_one_atom(length):
  box, cell = make().box, length * np.eye(3)
  needed = count_images(np.zeros((1, 3)), cell, grid=box.grid, sigma=box.sigma)
  one = {'numbers': np.ones((1, 1), int), 'cell': cell[None]}
  room = make().sized(one).box.max_images
  assert needed <= room
  two = {'numbers': np.ones((1, 2), int), 'cell': cell[None]}
  assert room <= make().sized(two).box.max_images
  assert room < 100 or length < 4  # of most cells


def test_refused_crystals_have_a_reason():
  long = crystals.perovskite().to_ase().repeat((3, 1, 1))
  long.numbers[0] = 56  # one Ba: no smaller cell
  structures = [crystals.bcc(), cj.Crystal.from_ase(long)]
  arrays, dropped = make('single_cell').prepare(arrays_of(*structures))
  assert list(arrays['id']) == ['c0'] and list(arrays['row']) == [0]
  assert 'from the centre' in dict(dropped)['c1']


@pytest.mark.slow
def test_outputs_of_no_crystal_have_a_reason():
  box = make('single_cell', size=12, length=6.0)
  _, examples = prepared(box, *[crystals.bcc()] * 3)
  outputs = {n: np.array(v) for n, v in examples.targets.items()}
  outputs['occupancy'][1] = np.nan
  outputs['lattice'][2, 3:] = -0.9
  found = box.crystals(outputs)
  assert isinstance(found[0], cj.Crystal)
  assert 'no atom' in found[1] and 'lattice' in found[2]
