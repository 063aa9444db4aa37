"""Every id gets a CIF of its own, inside the folder."""

import pytest

import crystal_jax as cj
from crystal_jax.io.folder import Folder, safe_name
from tests import crystals


@pytest.mark.parametrize(
  'ids',
  [
    ('a/b', 'a_b', 'a b'),
    ('x' * 300, 'x' * 299 + 'y'),
    ('NaCl', 'nacl'),  # Some file systems ignore case.
    ('../../up', '.hidden', '..', ''),
    ('Fe\u00b2', 'a\nb', 'C:\\x'),
  ],
)
def test_every_id_is_a_file_of_its_own(ids, tmp_path):
  folder = Folder(tmp_path / 'cif')
  numbers = [[z] for z in range(3, 3 + len(ids))]
  paths = [
    folder.write(id_, cj.Crystal(z, [[0.0, 0, 0]], crystals.bcc().cell))
    for id_, z in zip(ids, numbers, strict=True)
  ]
  assert all(path.parent == tmp_path / 'cif' for path in paths)
  assert len({path.name.lower() for path in paths}) == len(ids)
  read = [cj.read(path).numbers.tolist() for path in paths]
  assert read == numbers
  assert not list(tmp_path.glob('*.cif'))


def test_names_keep_what_is_harmless():
  assert safe_name('mp-149_Si+#2.cif') == 'mp-149_Si+#2.cif'
