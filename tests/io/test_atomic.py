"""A file appears complete, or not at all."""

import pathlib

import pytest

from crystal_jax.io import atomic


def names(folder):
  return sorted(path.name for path in folder.iterdir())


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path):
  path = tmp_path / 'x.cif.gz'
  with atomic.replacing(path) as partial:
    partial.write_text('old')
    assert partial.name == path.name and not path.exists()
  with pytest.raises(OSError, match='No space'):
    with atomic.replacing(str(path)) as partial:
      partial.write_text('half of the n')
      raise OSError('No space left on device')
  assert path.read_text() == 'old' and names(tmp_path) == ['x.cif.gz']
  with atomic.replacing(path) as partial:
    partial.write_text('new')
    assert path.read_text() == 'old'
  assert path.read_text() == 'new' and names(tmp_path) == ['x.cif.gz']


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
  path = tmp_path / 'x'
  with atomic.replacing(path) as one, atomic.replacing(path) as other:
    assert one != other
    one.write_text('one')
    other.write_text('other')
  assert path.read_text() == 'one'  # The last to end.
  assert names(tmp_path) == ['x']


def test_links_and_folders(tmp_path, monkeypatch):
  (tmp_path / 'real').mkdir()
  (tmp_path / 'link').symlink_to(tmp_path / 'real' / 'x')
  with atomic.replacing(tmp_path / 'link') as partial:
    partial.write_text('x')
  assert (tmp_path / 'real' / 'x').read_text() == 'x'
  assert (tmp_path / 'link').is_symlink()
  with pytest.raises(FileNotFoundError, match='nothing: no such folder'):
    with atomic.replacing(tmp_path / 'nothing' / 'x'):
      pass
  monkeypatch.chdir(tmp_path)
  with atomic.replacing(pathlib.Path('here')) as partial:
    partial.write_text('x')
  assert (tmp_path / 'here').read_text() == 'x'
