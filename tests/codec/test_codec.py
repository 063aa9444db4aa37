"""Crystals to latents and back, whatever they look like."""

import concurrent.futures
import warnings

import ase
import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.codec import model
from tests import codecs, crystals

STRUCTURE = pytest.importorskip('pymatgen.core').Structure


@pytest.fixture(scope='module')
def perfect():
  return codecs.through()


@pytest.fixture(scope='module')
def tiny():
  return codecs.untrained()


def cubic(symbols, scaled, length):
  atoms = ase.Atoms(symbols, scaled_positions=scaled, cell=[length] * 3)
  atoms.pbc = True
  return cj.Crystal.from_ase(atoms)


def bent(crystal, basis):
  """The same crystal in another basis of its lattice."""
  return cj.Crystal(crystal.numbers, crystal.positions, basis @ crystal.cell)


def twenty():
  rng = np.random.default_rng(0)
  grid = np.stack(np.meshgrid(*[np.arange(3) / 3] * 3), -1).reshape(-1, 3)[:20]
  scaled = grid + rng.uniform(-0.03, 0.03, grid.shape)
  numbers = [1, 82] + rng.integers(3, 90, 18).tolist()
  return cubic(numbers, scaled, 8.0)


SHAPES = {
  'one atom': lambda: cubic('Po', [[0, 0, 0]], 3.3),
  'twenty atoms': twenty,
  'H beside Pb': lambda: cubic('PbH', [[0, 0, 0], [0.3, 0.3, 0.3]], 3.4),
  'a short cell': lambda: cubic('W', [[0.2, 0.1, 0.7]], 2.5),
  'a long cell': lambda: cubic('NaCl', [[0, 0, 0], [0.3, 0, 0]], 25.0),
  'left-handed': lambda: bent(crystals.wurtzite(), np.eye(3)[[1, 0, 2]]),
  'not reduced': lambda: bent(
    crystals.wurtzite(), np.array([[1, 3, 0], [0, 1, 0], [2, 1, 1]])
  ),
}


@pytest.mark.parametrize('name', SHAPES)
def test_every_shape_comes_back(perfect, name):
  crystal = SHAPES[name]()
  (again,) = perfect.reconstruct(crystal)
  assert perfect.failures == {}
  assert sorted(again.numbers) == sorted(crystal.numbers)
  _same(again, crystal)


def _same(a, b):
  """Whether two crystals are one, by somebody else's word."""
  from pymatgen.analysis.structure_matcher import StructureMatcher
  from pymatgen.io.ase import AseAtomsAdaptor

  a, b = (AseAtomsAdaptor.get_structure(c.to_ase()) for c in (a, b))
  matcher = StructureMatcher(stol=0.1, scale=False)
  found = matcher.get_rms_dist(a, b)
  assert found is not None and found[0] < 0.01


def test_no_crystals_and_more_than_a_batch(tiny):
  assert tiny.encode([]).shape == (0, tiny.size)
  assert tiny.decode(np.zeros((0, tiny.size))) == []
  assert tiny.reconstruct([]) == [] and tiny.kl([]).shape == (0,)
  batch = crystals.embedded(20)
  many = [batch[i % 20] for i in range(257)]
  traced = model.encode_batch._cache_size()
  z, std = tiny.encode(many, std=True)
  assert z.shape == std.shape == (257, tiny.size)
  assert z.dtype == np.float32 and np.isfinite(z).all() and (std > 0).all()
  assert model.encode_batch._cache_size() <= traced + 1
  for i in 0, 31, 32, 256:
    np.testing.assert_array_equal(tiny.encode(many[i])[0], z[i])
  np.testing.assert_array_equal(tiny.encode(many[::-1])[::-1], z)


def test_what_is_decoded_does_not_depend_on_its_neighbours(perfect):
  batch = crystals.embedded(5)
  together = perfect.reconstruct(batch)
  for crystal, expected in zip(batch, together, strict=True):
    (alone,) = perfect.reconstruct(crystal)
    np.testing.assert_array_equal(alone.numbers, expected.numbers)
    np.testing.assert_array_equal(alone.positions, expected.positions)
    np.testing.assert_array_equal(alone.cell, expected.cell)


def partial():
  return STRUCTURE(np.eye(3) * 4, [{'Fe': 0.5, 'Ni': 0.5}], [[0, 0, 0]])


BAD = {
  'more than 20': lambda: cj.Crystal.from_ase(
    ase.Atoms(
      'H21', np.random.default_rng(2).random((21, 3)) * 20, cell=[20] * 3,
      pbc=True,
    )
  ),
  'Na, Cl was never seen': lambda: SHAPES['a long cell'](),
  'less than 0.4': lambda: cubic('H2', [[0, 0, 0], [0.05, 0, 0]], 4.0),
  'partial occupancy': partial,
  'no cell': lambda: ase.Atoms('H', pbc=True),
  'periodic along 0': lambda: ase.Atoms('H', cell=[3] * 3),
  'no atoms': lambda: ase.Atoms(cell=[3] * 3, pbc=True),
  'zero volume': lambda: cj.Crystal(
    np.array([1]), np.zeros((1, 3)), np.ones((3, 3))
  ),
  'finite': lambda: cj.Crystal(
    np.array([1]), np.full((1, 3), np.nan), np.eye(3) * 3
  ),
  'NoneType': lambda: None,
}  # fmt: skip


@pytest.fixture(scope='module')
def picky():
  return codecs.through(elements=['H', 'Fe', 'Ni', 'O', 'Zn'])


@pytest.mark.parametrize('reason', BAD)
def test_what_cannot_be_encoded_is_named_or_skipped(picky, reason):
  valid = crystals.wurtzite()
  batch = [valid, BAD[reason](), valid]
  with pytest.raises(ValueError, match=f'Crystal 1 .*{reason}'):
    picky.encode(batch)
  z = picky.encode(batch, skip=True)
  assert list(picky.failures) == [1] and reason in picky.failures[1]
  assert np.isnan(z[1]).all() and np.isfinite(z[[0, 2]]).all()
  np.testing.assert_array_equal(z[0], z[2])
  assert np.isnan(picky.kl(batch)).tolist() == [False, True, False]
  assert reason in picky.failures[1]
  assert picky.reconstruct(batch)[1] is None
  assert reason in picky.failures[1]


def test_file_names_are_no_crystals(tiny):
  with pytest.raises(TypeError, match='read'):
    tiny.encode('a.cif')
  with pytest.raises(ValueError, match='str is not a crystal'):
    tiny.encode(['a.cif'])


@pytest.mark.parametrize(
  'kind', ['cell', pytest.param('coded_box', marks=pytest.mark.slow)]
)
def test_arrays_are_what_crystals_are_and_can_be_differentiated(kind):
  codec, examples = codecs.untrained(kind), crystals.embedded(3)
  model, batch = codec.to_arrays(examples)
  encode = jax.jit(lambda b: codec.encode_arrays(b, model=model))
  posterior = encode(batch)
  z, std = codec.encode(examples, std=True)
  np.testing.assert_allclose(posterior.mean, z, atol=1e-4)
  np.testing.assert_allclose(np.exp(posterior.log_var / 2), std, rtol=1e-3)
  name = 'fractional'
  outputs = jax.jit(codec.decode_arrays)(posterior.mean)
  assert outputs['lattice'].shape == (3, 6)
  if kind == 'cell':
    by = jax.grad(lambda x: jnp.sum(encode(batch | {name: x}).mean ** 2))
    gradient = by(batch[name])
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_threads_share_a_codec(perfect):
  groups = [crystals.embedded(4), [crystals.wurtzite(), 'x', crystals.bcc()]]

  def ask(batch):
    found = perfect.reconstruct(batch)
    return found, perfect.failures, perfect.residuals

  alone = [ask(batch) for batch in groups]
  filters = list(warnings.filters)
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    together = [*pool.map(ask, groups * 3)]
  assert warnings.filters == filters
  for (found, failures, residuals), expected in zip(
    together, alone * 3, strict=True
  ):
    assert failures == expected[1]
    np.testing.assert_array_equal(residuals, expected[2])
    for a, b in zip(found, expected[0], strict=True):
      assert (a is None) == (b is None)
      if a is not None:
        np.testing.assert_array_equal(a.positions, b.positions)
  assert perfect.failures == alone[1][1]  # Of this thread's own last call.


def test_residuals_say_what_is_certain(perfect):
  z = np.repeat(perfect.encode(crystals.perovskite()), 3, axis=0)
  # Of no crystal: one channel of the codes is there in the void as well.
  channels = perfect.model.representation.input_shapes['density'][-1]
  z[1, channels - 1 : -6 : channels] += 0.8
  z[2] = np.nan
  for refine in 'none', 'auto':
    found = perfect.decode(z, refine=refine)
    assert found[2] is None
    assert perfect.residuals[0] < 0.3 < 2 < perfect.residuals[1]
    assert np.isnan(perfect.residuals[2])
    assert perfect.certain.tolist() == [True, False, False]
  # Without time nothing is refined, and the residual says so.
  perfect.decode(z, refine_seconds=0)
  assert perfect.residuals[1] > 2
  assert perfect.certain.tolist() == [True, False, False]
  # A crystal that is exactly right has none.
  perfect.decode(z[0], refine='all')
  assert perfect.residuals[0] < 1e-4


def test_bad_latents(perfect):
  z = perfect.encode([crystals.perovskite()] * 4)
  z[1], z[2], z[3, -6] = np.nan, 1e30, 200.0
  found = perfect.decode(z)
  assert found[0] is not None and found[1:] == [None] * 3
  assert list(perfect.failures) == [1, 2, 3]
  assert 'finite' in perfect.failures[1] and 'above' in perfect.failures[2]
  assert len(perfect.decode(z[0])) == 1
  for wrong in z[:, :-1], np.zeros((2, 2, 2)), np.float32(1):
    with pytest.raises(ValueError, match=str(perfect.size)):
      perfect.decode(wrong)
  with pytest.raises(ValueError, match="refine='some'"):
    perfect.decode(z, refine='some')
  for seconds in -1, float('nan'):
    with pytest.raises(ValueError, match='refine_seconds'):
      perfect.decode(z, refine_seconds=seconds)


def test_kl_is_that_of_the_posterior(tiny):
  mean, std = (x.astype(float) for x in tiny.encode(crystals.bcc(), std=True))
  expected = 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).sum()
  np.testing.assert_allclose(tiny.kl(crystals.bcc()), [expected], rtol=1e-4)


def test_interpolation_begins_and_ends_at_the_ends(perfect):
  a, b = SHAPES['a short cell'](), SHAPES['one atom']()
  steps = perfect.interpolate(a, b, steps=4)
  lengths = [np.linalg.norm(c.cell[0]) for c in steps]
  np.testing.assert_allclose(
    lengths, 2.5 * (3.3 / 2.5) ** (np.arange(4) / 3), rtol=1e-3
  )
  with pytest.raises(ValueError, match='steps'):
    perfect.interpolate(a, b, steps=1)
