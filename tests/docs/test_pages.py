"""Every command in the README and the pages of docs/ runs as pasted.

A block that is not run has a comment above it that says why.
"""

import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from ase.build import bulk

import crystal_jax as cj
from crystal_jax.__main__ import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / 'docs').glob('*.md'))
README = ROOT / 'README.md'

BLOCK = re.compile(
  r'(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```',
  re.DOTALL,
)


def blocks(page):
  """Kind and text of each code block that is to be run."""
  for match in BLOCK.finditer(page.read_text('utf-8')):
    if match['reason'] is None:
      yield match['kind'], match['text']


def commands(text):
  """The lines of a shell block, continued ones joined."""
  joined = text.replace('\\\n', ' ')
  return [shlex.split(line) for line in joined.splitlines() if line.strip()]


@pytest.fixture
def crystals(tmp_path, monkeypatch):
  """A working folder with `my_cifs/` in it."""
  monkeypatch.chdir(tmp_path)
  folder = tmp_path / 'my_cifs'
  folder.mkdir()
  for name, lattice in ('nacl', 5.64), ('mgo', 4.21), ('lif', 4.03):
    formula = {'nacl': 'NaCl', 'mgo': 'MgO', 'lif': 'LiF'}[name]
    atoms = bulk(formula, 'rocksalt', a=lattice)
    cj.write(folder / f'{name}.cif', cj.Crystal.from_ase(atoms))
  return folder


def run(page):
  """Runs the blocks of a page in order; one namespace for its Python."""
  names: dict = {}
  for kind, text in blocks(page):
    if kind == 'python':
      exec(compile(text, str(page), 'exec'), names)
    elif kind == 'bash':
      for words in commands(text):
        if words[0] == 'ase':
          ase = pathlib.Path(sys.executable).with_name('ase')
          subprocess.run([ase, *words[1:]], check=True)
          continue
        assert words[:3] == ['python', '-m', 'crystal_jax'], words
        # Between two crystals most latents are of none, which is said by 3.
        expected = (0, 3) if words[3] == 'interpolate' else (0,)
        assert main(words[3:]) in expected, words
  return names


def test_readme(crystals):
  names = run(README)
  assert names['z'].shape == (1, names['codec'].size)
  assert sorted(names['decoded'].numbers) == [11, 17]


@pytest.mark.slow
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_page(page, crystals):
  run(page)


@pytest.mark.parametrize('page', [README, *PAGES], ids=lambda page: page.stem)
def test_links_and_files_exist(page):
  text = page.read_text('utf-8')
  for path in re.findall(r'\]\(([\w./]+)\)', text):
    assert (page.parent / path).exists(), path
  for path in re.findall(r'(?:experiments|benchmarks|datasets)/\w+\.\w+', text):
    assert (ROOT / path).exists(), path


def test_a_wrong_command_is_found(tmp_path, crystals):
  page = tmp_path / 'page.md'
  page.write_text(
    '```bash\npython -m crystal_jax encode nowhere/ --out=z.npz\n```\n'
  )
  with pytest.raises(AssertionError):
    run(page)
  page.write_text('<!-- not run: why -->\n```python\nraise ValueError\n```\n')
  assert run(page) == {}
