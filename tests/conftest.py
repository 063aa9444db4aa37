"""Settings of every test: fake devices, strict shapes."""

import functools
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

# Compilation is most of the time. Both workers, the processes that tests start,
# and the next run share what it made.
ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault(
  'JAX_COMPILATION_CACHE_DIR', str(ROOT / '.pytest_cache' / 'jax')
)
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.1')
# XLA calls its own tuning flags missing when it reads that folder (jax#38445).
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import jax  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402

from crystal_jax.io.reading import pool  # noqa: E402
from tests import tiny_configs  # noqa: E402

_TEMPORARY = pathlib.Path(tempfile.gettempdir())
SHARED_DATA = ROOT.parent / 'shared' / 'data'

# grain's workers read absl flags, which nobody parses under pytest.
flags.FLAGS.mark_as_parsed()

jax.config.update('jax_numpy_rank_promotion', 'raise')


# What is tested is hardly ever a matter of how well XLA makes use of the
# processor, and compilation is most of the time: with less effort it takes a
# half. Not of these files, which hold rounding and memory; and what runs as a
# process of its own, as users run it, is compiled as for them.
_COMPILED_WELL = (
  'density/test_labels.py', 'density/test_separable.py',
  'density/test_voxelize.py', 'density/test_voxelize_in_jax.py',
)  # fmt: skip
# These take longest, so they begin: two workers then end together.
_LONGEST = (
  'training/test_distributed.py', 'data/test_interruptions.py',
  'density/test_voxelize.py', 'density/test_voxelize_in_jax.py',
  'density/test_derivatives.py', 'training/test_loop.py',
  'codec/test_codec.py', 'codec/test_shipped.py', 'codec/test_saved.py',
  'evaluation/test_coded_scores.py', 'decoding/test_decode.py',
  'evaluation/test_samples.py', 'codec/test_properties.py',
  'representation/test_coded_box.py', 'codec/test_coded_codec.py',
  'cli/test_codecs.py', 'training/test_steps.py', 'cli/test_densities.py',
  'training/test_coded_loss.py', 'models/test_vae.py', 'docs/test_pages.py',
)  # fmt: skip

# Files and folders of tests that start processes which train.
_STARTS_TRAINING = (
  'training', 'experiments', 'notebooks', 'test_own_crystals.py',
)  # fmt: skip


def _files(names):
  """Paths of files and folders of tests; an error if one has moved."""
  paths = [ROOT / 'tests' / name for name in names]
  missing = [str(path) for path in paths if not path.exists()]
  if missing:
    raise pytest.UsageError(f'conftest.py names files that moved: {missing}')
  return paths


def pytest_collection_modifyitems(items):
  """Files in the order of their time, as far as `_LONGEST` tells."""
  order = {path: i for i, path in enumerate(_files(_LONGEST))}
  items.sort(key=lambda item: order.get(item.path, len(order)))


jax.config.update('jax_disable_most_optimizations', True)


@pytest.fixture(autouse=True, scope='module')
def compiled_well(request):
  """Full optimization in files of `_COMPILED_WELL`, with caches cleared."""
  well = request.path in _files(_COMPILED_WELL)
  if well:
    jax.config.update('jax_disable_most_optimizations', False)
    jax.clear_caches()
  yield
  if well:
    jax.config.update('jax_disable_most_optimizations', True)
    jax.clear_caches()


@pytest.fixture(autouse=True, scope='session')
def no_cache_of_pmap():
  """Keeps no compiled function of pmap.

  JAX 0.10.1 once crashed when it wrote a pmapped step of two devices into the
  cache.
  """
  pmap, name = jax.pmap, 'jax_persistent_cache_min_compile_time_secs'

  def without_cache(*args, **kwargs):
    mapped = pmap(*args, **kwargs)

    @functools.wraps(mapped)
    def call(*args, **kwargs):
      before = getattr(jax.config, name)
      jax.config.update(name, 1e9)
      try:
        return mapped(*args, **kwargs)
      finally:
        jax.config.update(name, before)

    return call

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax, 'pmap', without_cache)
    yield


@pytest.fixture(autouse=True, scope='module')
def no_cache_of_processes(request):
  """Keeps no compiled function of processes that train; see above."""
  starts = _files(_STARTS_TRAINING)
  if not any(request.path.is_relative_to(path) for path in starts):
    yield
    return
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('JAX_ENABLE_COMPILATION_CACHE', 'false')
    yield


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
def in_process(monkeypatch):
  """No worker processes: they start more slowly than a few items are done."""

  class Here:
    def __init__(self, function, items, *_):
      self._function, self._items = function, items

    def results(self):
      return (pool.call(self._function, item) for item in self._items)

  monkeypatch.setattr(pool, '_Pool', Here)


@pytest.fixture
def tiny_config(data_dir):
  """See `tiny_configs`; of the box."""
  return tiny_configs.tiny_config(data_dir)


@pytest.fixture
def tiny_cell_config(data_dir):
  """See `tiny_configs`; of the cell."""
  return tiny_configs.tiny_config(data_dir, 'cell')


@pytest.fixture
def tiny_coded_config(data_dir):
  """See `tiny_configs`; of the coded box."""
  return tiny_configs.tiny_config(data_dir, 'coded_box')
