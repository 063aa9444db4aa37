"""Codecs that are saved, opened by another process, and made of runs."""

import os
import subprocess
import sys
import textwrap

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from tests import codecs, crystals


@pytest.mark.parametrize(
  'kind', ['cell', pytest.param('box', marks=pytest.mark.slow)]
)
def test_saved_and_opened_by_another_process(tmp_path, kind):
  # What has learnt nothing draws cells that take long to look at.
  codec = cj.Codec.load('mp_20') if kind == 'cell' else codecs.untrained(kind)
  batch = crystals.embedded(3)
  codec.save(tmp_path / 'mine', dtype='float32', notes={'licence': 'CC0'})
  z = codec.encode(batch)
  assert z.shape == (3, codec.size) == (3, int(np.prod(codec.latent_shape)))
  np.savez(tmp_path / 'z.npz', z=z)
  script = f"""
    import numpy as np
    import crystal_jax as cj
    codec = cj.Codec.load({str(tmp_path / 'mine')!r})
    assert codec.describe()['licence'] == 'CC0'
    z = np.load({str(tmp_path / 'z.npz')!r})['z']
    found = codec.decode(z, refine='none')
    np.savez(
      {str(tmp_path / 'out.npz')!r},
      failures=sorted(codec.failures),
      **{{str(i): c.positions for i, c in enumerate(found) if c}},
    )
  """
  subprocess.run(
    [sys.executable, '-c', textwrap.dedent(script)],
    check=True,
    cwd=crystals.ROOT,
    timeout=300,
    env={**os.environ, 'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'},
  )
  here = codec.decode(z, refine='none')
  there = np.load(tmp_path / 'out.npz')
  assert there['failures'].tolist() == sorted(codec.failures)
  for i, crystal in enumerate(here):
    if crystal is not None:
      np.testing.assert_allclose(there[str(i)], crystal.positions, atol=1e-5)


@pytest.mark.slow
def test_a_run_becomes_a_codec(tiny_cell_config, tmp_path):
  from crystal_jax import tasks

  tiny_cell_config.train.steps = 2
  tiny_cell_config.train.checkpoint_every = 2
  run, state = tasks.train(tiny_cell_config, tmp_path)
  codec = cj.Codec.from_run(tmp_path)
  card = codec.describe()
  assert card['steps'] == 2 and card['data']['crystals'] <= 64
  seen = np.unique(run.arrays['train']['numbers'])
  assert len(card['elements']) == len(seen[seen > 0])
  assert str(tmp_path.parent) not in str(card)
  codec.save(tmp_path / 'half', dtype='float16')
  half = cj.Codec.load(tmp_path / 'half')
  assert half.describe()['fingerprint'] == card['fingerprint']
  known = [c for c in crystals.embedded(20) if set(c.numbers) <= set(seen)]
  z = codec.encode(known)
  assert len(known) > 2
  np.testing.assert_allclose(half.encode(known), z, atol=5e-3)
  with pytest.raises(ValueError, match='Pu was never seen'):
    half.encode(ase.build.bulk('Pu', 'fcc', a=4.6))
  with pytest.raises(FileNotFoundError, match='from_run'):
    cj.Codec.load(tmp_path)
