"""Draws from the shell: files, table, exit status."""

import csv
import warnings

import ase.spacegroup
import numpy as np
import pytest

import crystal_jax as cj
from crystal_jax.__main__ import main
from crystal_jax.cli import draws, inputs, outputs
from crystal_jax.generation import checks
from crystal_jax.structure.composition import unit_of
from tests import codecs, crystals
from tests.generation import priors


@pytest.fixture(autouse=True)
def codec(monkeypatch):
  """`--weights` gives an untrained codec and prior; any distance is valid."""
  made = codecs.untrained(elements=['Fe', 'O'])
  made._prior = priors.untrained(made.size, made.describe()['fingerprint'])
  monkeypatch.setattr(inputs, 'open_codec', lambda name: made)
  monkeypatch.setattr(checks, 'why_invalid', lambda crystal: None)
  monkeypatch.setattr(
    'crystal_jax.structure.validation.check_decoded', lambda crystal: crystal
  )
  return made


def table(folder):
  with (folder / 'index.tsv').open() as file:
    return list(csv.DictReader(file, delimiter='\t'))


def test_a_file_and_a_row_for_each_draw(tmp_path, capsys):
  out = tmp_path / 'out'
  asked = ['--composition=Fe2O3', '--num-atoms=5', '--n=2']
  assert main(['sample', *asked, f'--out={out}']) == 0
  rows = table(out)
  assert [row['id'] for row in rows] == ['0', '1']
  assert {row['formula'] for row in rows} == {'Fe2O3'}
  for row in rows:
    crystal = cj.read(out / row['file'])
    assert unit_of(crystal.numbers) == ((8, 3), (26, 2))
    assert float(row['density']) > 0 and float(row['closest']) > 0
  assert 'wrote 2 of 2 samples' in capsys.readouterr().out
  page = (out / 'index.html').read_text('utf-8')
  assert len(page) < 1e6 and page.count('"title":') == 2
  assert main(['sample', *asked, f'--out={out}']) == 1
  assert 'not empty' in capsys.readouterr().err


def test_the_space_group_of_the_table_is_that_of_the_file(
  codec, tmp_path, monkeypatch
):
  rutile = ase.spacegroup.crystal(
    ['Fe', 'O'], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136,
    cellpar=[4.6, 4.6, 3.0, 90, 90, 90],
  )  # fmt: skip
  rutile.rattle(0.05, seed=1)
  distorted = cj.Crystal.from_ase(rutile)
  assert checks.space_group(distorted)[0] < 136
  monkeypatch.setattr(codec, 'sample', lambda n, **_: [distorted])
  # Some crystals are not fully symmetric after one pass either.
  monkeypatch.setattr(draws, 'symmetrize', lambda args, crystals: crystals)
  report = draws.SampleReport({})
  monkeypatch.setattr(draws.SampleReport, 'of', lambda codec: report)
  out = tmp_path / 'out'
  assert main(['sample', '--n=1', '--symmetrize=0.5', f'--out={out}']) == 0
  (row,) = table(out)
  assert row['space_group'] == '136'
  written = cj.read(out / row['file'])
  assert checks.space_group(written, 1e-3)[0] == 136


def test_unmet_criteria_are_listed(tmp_path, capsys):
  asked = ['--space-group=225', '--num-atoms=5', '--n=1']
  assert main(['sample', *asked, f'--out={tmp_path / "out"}']) == 0
  assert '1 of them with unmet conditions' in capsys.readouterr().out
  assert table(tmp_path / 'out')[0]['unmet'] == 'space_group=225'


def test_what_is_not_valid_is_listed(tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(checks, 'why_invalid', lambda crystal: 'too near')
  out = f'--out={tmp_path / "out"}'
  assert main(['sample', '--num-atoms=2', '--n=2', out]) == 1
  assert 'skipped sample 0: too near' in capsys.readouterr().err


@pytest.mark.slow
def test_alter_keeps_the_formula(tmp_path):
  path, out = tmp_path / 'fe.cif', tmp_path / 'out'
  cj.write(path, crystals.bcc())
  asked = ['--n=2', '--strength=0.5', '--composition=Fe', '--num-atoms=2']
  assert main(['alter', str(path), *asked, f'--out={out}']) == 0
  assert {row['formula'] for row in table(out)} == {'Fe'}
  page = (out / 'index.html').read_text('utf-8')
  assert page.count('"title":') == 3 and '"title":"given: Fe' in page


def test_what_is_screened_out_is_in_a_table(tmp_path, capsys, monkeypatch):
  known = crystals.perovskite()
  positions = np.array(known.positions)
  positions[2] = positions[1] + [0, 0, 0.9]  # An oxygen next to titanium.
  near = cj.Crystal(known.numbers, positions, known.cell)
  found = [known, near, None]
  monkeypatch.setattr(cj.Codec, 'sample', lambda self, n, **asked: found)
  report = draws.SampleReport({2: 'no lattice'})
  monkeypatch.setattr(draws.SampleReport, 'of', lambda codec: report)
  out = tmp_path / 'out'
  assert main(['sample', '--n=3', '--screen', f'--out={out}']) == 3
  with (out / 'screened.csv').open() as file:
    (dropped,) = csv.DictReader(file)
  assert dropped['step'] == 'distances' and dropped['formula'] == 'SrTiO3'
  assert 'O and Ti are 0.90 Å apart' in dropped['reason']
  rows = table(out)
  assert [bool(row['file']) for row in rows] == [True, False, False]
  assert rows[1]['reason'] == f'distances: {dropped["reason"]}'
  assert rows[2]['reason'] == 'no lattice'
  assert [p.name for p in out.glob('*.cif')] == ['0_SrTiO3.cif']
  printed = capsys.readouterr()
  assert 'wrote 1 of 3 samples' in printed.out
  assert 'skipped sample 2: no lattice' in printed.err


def test_a_screened_table_is_of_the_last_run(tmp_path, capsys, monkeypatch):
  near = cj.Crystal(np.array([8, 8]), np.diag([0, 0, 0.9])[1:], 4 * np.eye(3))
  monkeypatch.setattr(cj.Codec, 'sample', lambda self, n, **asked: [near])
  report = draws.SampleReport({})
  monkeypatch.setattr(draws.SampleReport, 'of', lambda codec: report)
  out = tmp_path / 'out'
  command = ['sample', '--n=1', f'--out={out}']
  assert main([*command, '--screen']) == 0
  files = {path.name for path in out.iterdir()}
  assert files == {'index.tsv', 'screened.csv'}  # All crystals were dropped.
  assert main(command) == 0  # The folder counts as empty.
  files = {path.name for path in out.iterdir()}
  assert files == {'index.tsv', 'index.html', '0_O.cif'}
  assert main([*command, '--screen']) == 1
  assert 'not empty' in capsys.readouterr().err
  assert main([*command, '--screen', '--overwrite']) == 0
  assert main([*command, '--overwrite']) == 0
  assert files == {path.name for path in out.iterdir()}


@pytest.mark.parametrize('file', ['0_O.cif', ''])
def test_a_table_that_names_files_is_not_overwritten(file, tmp_path):
  text = f'id\tfile\tformula\treason\n0\t{file}\tO\t\n'
  (tmp_path / 'index.tsv').write_text(text)  # The file itself was moved.
  if not file:
    outputs.prepare_folder(tmp_path, overwrite=False)
    return
  with pytest.raises(ValueError, match='not empty'):
    outputs.prepare_folder(tmp_path, overwrite=False)
  assert (tmp_path / 'index.tsv').read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize('name', ['sample', 'alter'])
def test_only_the_warning_of_unmet_conditions_is_hidden(
  name, codec, tmp_path, capsys, monkeypatch
):
  method = getattr(cj.Codec, name)

  def warn_and_sample(self, *args, **options):
    warnings.warn('the prior is old', stacklevel=2)
    return method(self, *args, **options)

  monkeypatch.setattr(cj.Codec, name, warn_and_sample)
  path = tmp_path / 'fe.cif'
  cj.write(path, crystals.bcc())
  command = {'sample': ['sample'], 'alter': ['alter', str(path)]}[name]
  asked = ['--space-group=225', '--num-atoms=5', '--n=1', '--composition=Fe']
  with warnings.catch_warnings():
    warnings.simplefilter('default')
    assert main([*command, *asked, f'--out={tmp_path / "out"}']) == 0
  captured = capsys.readouterr()
  assert 'with unmet conditions' in captured.out
  assert 'warning: the prior is old\n' in captured.err
  assert 'was asked' not in captured.err


@pytest.mark.parametrize(
  'asked',
  [
    ['--screen', '--screen-energy=0.1'],
    ['--screen', '--known=no_such'],
    ['--composition=FeX'],
    ['--composition=Fe2O3', '--num-atoms=4'],
    ['--property=colour'],
    ['--property=colour=1'],
    ['--elements=Fe,Zz'],
    ['--n=0'],
    ['--prior=no_such'],
  ],
)
def test_mistakes_are_one_line(asked, tmp_path, capsys):
  assert main(['sample', *asked, f'--out={tmp_path / "out"}']) == 1
  assert capsys.readouterr().err.count('\n') == 1
