"""Settings of every test: fake devices, strict shapes.

No cache of compiled programs: XLA's CPU crashes now and then on reading one.
"""

import hashlib
import os
import pathlib
import tempfile

# Before jax is imported: two fake devices, and enough threads that jit over
# both cannot deadlock on a small machine.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('PJRT_NPROC', '16')
_FLAGS = os.environ.get('XLA_FLAGS', '')
if 'xla_force_host_platform_device_count' not in _FLAGS:
  os.environ['XLA_FLAGS'] = f'{_FLAGS} --xla_force_host_platform_device_count=2'

import jax  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402

from experiments import base  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
_TEMPORARY = pathlib.Path(tempfile.gettempdir())
SHARED_DATA = ROOT.parent / 'shared' / 'data'

# grain's workers read absl flags, which nobody parses under pytest.
flags.FLAGS.mark_as_parsed()

jax.config.update('jax_numpy_rank_promotion', 'raise')


# What is tested is hardly ever a matter of how well XLA makes use of the
# processor, and compilation is most of the time: with less effort it takes a
# half. Not of these; and what runs as a process of its own, as users run it, is
# compiled as for them.
_WELL = ('density',)
# These take longest, so they begin: two workers then end together.
_LONGEST = (
  'density/test_voxelize.py', 'density/test_derivatives.py',
  'density/test_voxelize_in_jax.py', 'training/test_loop.py',
  'decoding/test_decode.py', 'test_codec.py',
  'representation/test_coded_box.py', 'evaluation/test_cell_scores.py',
  'training/test_steps.py', 'test_readme.py', 'training/test_coded_loss.py',
  'models/test_vae.py', 'test_coded_codec.py', 'shell/test_densities.py',
)  # fmt: skip


def pytest_collection_modifyitems(items):
  """Files in the order of their time, as far as `_LONGEST` tells."""
  places = {ROOT / 'tests' / name: i for i, name in enumerate(_LONGEST)}
  items.sort(key=lambda item: places.get(item.path, len(places)))


jax.config.update('jax_disable_most_optimizations', True)


@pytest.fixture(autouse=True, scope='module')
def compiled_well(request):
  """Of the modules in `_WELL`; others do not find what they compiled."""
  well = request.path.parent.name in _WELL
  if well:
    jax.config.update('jax_disable_most_optimizations', False)
    jax.clear_caches()
  yield
  if well:
    jax.config.update('jax_disable_most_optimizations', True)
    jax.clear_caches()


@pytest.fixture
def shared_data() -> pathlib.Path:
  """Folder of further real crystals; the test is skipped without it."""
  if not SHARED_DATA.is_dir():
    pytest.skip('needs ../shared/data, which is not beside this checkout')
  return SHARED_DATA


@pytest.fixture(scope='session')
def data_dir() -> pathlib.Path:
  """Where the prepared embedded set lives, for all tests and later runs too.

  Its name says what it was made of, so that an old one is never taken.
  """
  digest = hashlib.sha256()
  for path in sorted((ROOT / 'datasets' / 'oqmd_icsd20').rglob('*')):
    if path.suffix in ('.py', '.npz'):
      digest.update(path.read_bytes())
  return _TEMPORARY / f'crystal_jax_test_data_{digest.hexdigest()[:16]}'


@pytest.fixture
def tiny_config(data_dir):
  """See `make_tiny_config`."""
  return make_tiny_config(data_dir)


def make_tiny_config(data_dir):
  """The whole system in seconds: real crystals, 12³ voxels, two batches."""
  config = base.get_config()
  config.data.data_dir = str(data_dir)
  config.data.train_split = 'train[:64]'
  config.data.heldout_split = 'val[:64]'
  config.model.box.size = 12
  config.model.box.length = 6.0
  config.model.vae.widths = (16,)
  config.model.vae.fold = 6
  config.model.vae.latent = 8
  config.model.vae.spatial = True
  config.model.unet.widths = (16,)
  config.model.unet.fold = 6
  config.model.unet.features = 4
  config.train.box_loss.beta = 1e-8
  config.train.box_loss.species_voxels = 256
  config.train.steps = 6
  config.train.batch_size = 4
  config.train.warmup_steps = 1
  config.train.log_every = 2
  config.train.eval_every = 3
  config.train.eval_batches = 1
  config.train.checkpoint_every = 3
  config.eval.crystals = 4
  config.eval.batch_size = 2
  config.model.box.max_decoded = 64
  config.eval.pictures = 1
  return config


@pytest.fixture
def tiny_cell_config(data_dir):
  """See `make_tiny_cell_config`."""
  return make_tiny_cell_config(data_dir)


def make_tiny_cell_config(data_dir):
  """The cell model in seconds."""
  config = make_tiny_config(data_dir)
  config.model.representation = 'cell'
  config.model.cell_vae.width = 32
  config.model.cell_vae.encoder = 'p'
  config.model.cell_vae.decoder = 'p'
  config.data.origins = 1
  return config


@pytest.fixture
def tiny_coded_config(data_dir):
  """See `make_tiny_coded_config`."""
  return make_tiny_coded_config(data_dir)


def make_tiny_coded_config(data_dir):
  """The coded box in seconds."""
  config = make_tiny_config(data_dir)
  config.model.representation = 'coded_box'
  shrink_coded(config.model.coded_vae)
  config.data.origins = 1
  return config


def shrink_coded(vae):
  """Networks of a coded box that compile in seconds."""
  vae.width = 32
  vae.encoder = 'p'
  vae.decoder = 'p'
  vae.latent = 4
  vae.head_width = 16
