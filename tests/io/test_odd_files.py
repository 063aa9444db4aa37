"""Each kind of odd file is read as it means, or refused with the reason.

No message of another library, no traceback, and the file is named.
"""

import importlib
import pathlib
import re
import warnings

import pytest

import crystal_jax as cj
from crystal_jax.io.reading import items, listing, parse
from tests.io import odd_files
from tests.io.test_reports import formula, in_order

# Messages of Python and of libraries that parse, which say nothing to a user.
LIBRARY_WORDS = re.compile(
  'invalid literal|has no attribute|could not convert|out of range|not enough '
  'values|object is not|unexpected keyword|Traceback|NoneType|string:|index '
  r'error|cannot reshape|inhomogeneous|no such group'
)
MODULES = [
  importlib.import_module(f'tests.io.{path.stem}')
  for path in sorted(pathlib.Path(__file__).parent.glob('odd_*.py'))
]
CASES = [
  (kind, *case)
  for module in MODULES
  for kind, cases in getattr(module, 'KINDS', {}).items()
  for case in cases
]


@pytest.mark.parametrize(
  'kind, name, text, right', CASES, ids=[f'{c[0]}: {c[1]}' for c in CASES]
)
def test_an_odd_file_is_read_rightly_or_refused(
  tmp_path, kind, name, text, right
):
  path = tmp_path / name
  path.write_text(text)
  found = []
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', '1 dummy sites|1 peaks')
    try:
      found.append(formula(cj.read(path)))
    except ValueError as error:
      assert str(error).startswith(str(path))
      found.append(f'refuse: {error}')
    # `prepare` takes the same path; formats it does not know are no crystals.
    for item in listing.list_items([path]):
      results = parse.parse(item, 100) if isinstance(item, items.Item) else []
      for result in results:
        if isinstance(result, items.Skip):
          found.append(f'refuse: {result.reason}')
        else:
          found.append(formula(result[0]))
  for outcome in found:
    assert not LIBRARY_WORDS.search(outcome), outcome
    if outcome.startswith('refuse'):
      assert right.startswith('refuse') or '|' in right, outcome
      assert any(part.split(': ')[-1] in outcome for part in right.split('|'))
    else:
      assert outcome in [in_order(part) for part in right.split('|')]


def test_a_potcar_names_the_species_of_vasp_4(tmp_path):
  path = tmp_path / 'POSCAR'
  path.write_text(
    dict(c[:2] for c in odd_files.KINDS['title of VASP 4'])['c.vasp']
  )
  (tmp_path / 'POTCAR').write_text(
    '  PAW_PBE Na_pv 19Sep2006\n   TITEL  = PAW_PBE Na_pv 19Sep2006\n'
    '   TITEL  = PAW_PBE Cl 06Sep2000\n'
  )
  assert formula(cj.read(path)) == 'Cl1Na1'


def test_dropped_dummies_are_counted(tmp_path):
  path = tmp_path / 'x.cif'
  cases = odd_files.KINDS['atoms that are not placed, or twice']
  path.write_text(dict(c[:2] for c in cases)['g.cif'])
  with pytest.warns(UserWarning, match='1 dummy sites'):
    assert cj.read(path).num_atoms == 1
