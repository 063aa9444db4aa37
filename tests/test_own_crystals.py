"""Training on your own crystals: the commands of the page run."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import ase.build
import ase.io
import numpy as np
import pytest

from crystal_jax import data, tasks
from crystal_jax.__main__ import main
from crystal_jax.data.synthetic import __main__ as supercells_command
from crystal_jax.training import provenance
from crystal_jax.training.start import start_from
from experiments import mp_20_second, quickstart

ROOT = pathlib.Path(__file__).resolve().parents[1]


def commands():
  text = (ROOT / 'docs' / 'train.md').read_text(encoding='utf-8')
  blocks = re.findall(r'```bash\n(.*?)```', text, re.DOTALL)
  return [shlex.split(block.replace('\\\n', ' ')) for block in blocks]


@pytest.fixture
def my_cifs(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folder = tmp_path / 'my_cifs' / 'deeper'
  folder.mkdir(parents=True)
  for i, element in enumerate(['Fe', 'Cu', 'Al', 'Ni', 'Pt', 'W', 'Mo', 'Si']):
    ase.io.write(folder / f'{i}.cif', ase.build.bulk(element))
  ase.io.write(folder / 'TiO.vasp', ase.build.bulk('TiO', 'rocksalt', 4.18))
  ase.io.write(folder / 'VO.vasp', ase.build.bulk('VO', 'rocksalt', 4.09))
  return tmp_path / 'my_cifs'


def fields(command, experiment=quickstart):
  """The config that a training command asks for."""
  config = experiment.get_config()
  for word in command:
    if word.startswith('--config.'):
      name, value = word.removeprefix('--config.').split('=')
      *path, last = name.split('.')
      part = config
      for step in path:
        part = part[step]
      kind = type(part[last])
      part[last] = eval(value) if kind is tuple else kind(value)
  return config


@pytest.mark.slow
def test_the_commands_run(my_cifs, capsys, data_dir):
  prepare, describe, train, mixed, further, supercells, train_large = commands()
  assert prepare[:3] == describe[:3] == ['python', '-m', 'crystal_jax']
  for command in train, mixed, further, train_large:
    assert command[:3] == ['python', '-m', 'experiments.main']
  assert main(prepare[3:]) == 0
  assert 'read     10 crystals' in capsys.readouterr().out
  ours = fields(train).data
  assert len(data.load(ours.builder, ours.train_split)['id']) >= 6
  assert len(data.load(ours.builder, ours.heldout_split)['id']) >= 1
  assert main(describe[3:]) == 0
  page = pathlib.Path('mine.html').read_text(encoding='utf-8')
  assert 'http' not in page.replace('http://www.w3.org', '')
  config = fields(mixed)
  config.data.data_dir = str(data_dir)
  provenance.write('.', tasks.set_up(config))
  noted = json.loads(pathlib.Path('data.json').read_text(encoding='utf-8'))
  assert noted['data']['builder'] == 'mine,oqmd_icsd20'
  assert 'mine/crystals-train.array_record-00000' in noted['data']['files']
  ours = config.data
  assert (ours.weights, ours.elements) == ((1.0, 3.0), ('Ti', 'O'))
  chosen = data.load(
    ours.builder,
    'train',
    data_dir=data_dir,
    weights=ours.weights,
    elements=ours.elements,
    max_atoms=ours.max_atoms,
  )
  oqmd = np.char.find(chosen['id'], '-') > 0
  assert 2.9 < oqmd.sum() / (~oqmd).sum() < 3.3
  assert set(np.unique(chosen['numbers'])) <= {0, 8, 22}
  assert chosen['numbers'].shape[1] == 12
  assert further[3] == '--config=experiments/mp_20_second.py'
  config = fields(further, mp_20_second)
  run = tasks.set_up(config)
  start_from(run.fresh_state(), ROOT / config.train.start_from)
  large = fields(train)
  large.data.in_place = 'data/inputs'
  in_place = tasks.set_up(large).arrays
  in_memory = tasks.set_up(fields(train)).arrays
  for split, arrays in in_place.items():
    for name, column in arrays.items():
      np.testing.assert_array_equal(column, in_memory[split][name])
  assert len(list(pathlib.Path('data/inputs').glob('*.npy'))) == 2
  assert supercells[:3] == ['python', '-m', 'crystal_jax.data.synthetic']
  supercells_command.main([*supercells[3:], '--count=5'])
  ours = fields(train_large).data
  loaded = {
    split: data.load(ours.builder, split, max_atoms=96)
    for split in (ours.train_split, ours.heldout_split)
  }
  sizes = {
    split: (arrays['numbers'] > 0).sum(axis=1)
    for split, arrays in loaded.items()
  }
  assert (sizes['train'] > 10).sum() == 5  # Supercells are trained on,
  assert sizes['val'].max() <= 2  # and held-out crystals are those of the page.


def test_the_exit_status(my_cifs, capsys):
  (my_cifs / 'x.cif').write_text('nothing')
  (my_cifs / 'notes.txt').write_text('nothing')
  command = ['prepare', 'my_cifs', '--out=out', '--workers=0']
  assert main([*command, '--strict']) == 1
  assert 'x.cif: cannot be read' in capsys.readouterr().err
  assert main(command) == 3
  out = capsys.readouterr().out
  assert 'skipped  1' in out and 'besides  1 files' in out
  (my_cifs / 'x.cif').unlink()
  assert main(['prepare', 'my_cifs', '--out=new', '--workers=0']) == 0
  assert main(['prepare', 'nowhere', '--out=out']) == 1
  assert 'nowhere: no such file' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cell16', 'quickstart_box'])
def test_a_folder_of_cifs_trains_by_one_flag(name, tmp_path):
  source = tmp_path / 'source'
  source.mkdir()
  elements = ['Fe', 'Cu', 'Al', 'Ni', 'Pt', 'W', 'Mo', 'Ti', 'V', 'Cr']
  rng = np.random.default_rng(0)
  for i in range(200):
    first, second = rng.choice(elements, 2, replace=False)
    atoms = ase.build.bulk(f'{first}{second}', 'cesiumchloride', 2.9 + i / 500)
    ase.io.write(source / f'{i}.cif', atoms)
  assert main(['prepare', str(source), f'--out={tmp_path / "set"}']) == 0
  subprocess.run(
    [
      sys.executable, '-m', 'experiments.main',
      f'--config=experiments/{name}.py', f'--workdir={tmp_path / "run"}',
      f'--config.data.builder={tmp_path / "set"}',
      '--config.train.steps=3', '--config.train.warmup_steps=1',
      '--config.train.batch_size=4', '--config.train.eval_every=3',
      '--config.train.eval_batches=1', '--config.eval.crystals=2',
      '--config.eval.batch_size=2', '--config.eval.pictures=1',
    ],
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    check=True,
  )  # fmt: skip
  results = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
  assert results['train']['crystals'] == results['heldout']['crystals'] == 2


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['tiny_config', 'tiny_cell_config'])
def test_ten_crystals_train_and_so_do_crystals_of_one_formula(
  my_cifs, kind, request
):
  tiny_config = request.getfixturevalue(kind)
  one = my_cifs.parent / 'one'
  one.mkdir()
  for a in 3.5, 3.6, 3.7:
    ase.io.write(one / f'{a}.cif', ase.build.bulk('Cu', a=a))
  for source in my_cifs, one:
    out = source.with_suffix('.set')
    data.prepare([source], out, workers=0)
    tiny_config.data.builder = str(out)
    tiny_config.data.train_split = 'train'
    tiny_config.data.heldout_split = 'val'
    run, state = tasks.train(tiny_config, source / 'run')
    results = tasks.evaluate(run, state, source / 'run')
    assert ('heldout' in results) == (source is my_cifs)
    assert results['train']['crystals'] >= 3
