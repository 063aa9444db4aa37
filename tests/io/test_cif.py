"""CIF files: symmetry, symbols, digits, what is refused."""

import csv

import numpy as np
import pytest

import crystal_jax as cj
from tests.cifs import (
  CORUNDUM,
  RUTILE,
  RUTILE_OPERATIONS,
  cif,
  fractional,
  same_sites,
  save,
)

# The name gemmi knows each space group by, the CIF, and its number of atoms.
SYMMETRIC = [
  ('P 42/m n m', cif(RUTILE, symmetry=RUTILE_OPERATIONS), 6),
  ('P 42/m n m',
   cif(RUTILE, symmetry="_space_group_name_H-M_alt 'P 42/m n m'"), 6),
  ('P 42/m n m', cif(RUTILE, symmetry='_space_group_IT_number 136'), 6),
  ('R -3 c:H', cif(**CORUNDUM), 30),
  ('F d -3 m:1', cif('Si Si1 0 0 0 1', (5.43,) * 3 + (90,) * 3,
                     "_symmetry_space_group_name_H-M 'F d -3 m:1'"), 8),
  ('F d -3 m:2', cif('Si Si1 .125 .125 .125 1', (5.43,) * 3 + (90,) * 3,
                     "_symmetry_space_group_name_H-M 'F d -3 m :2'"), 8),
  ('P 1 21/c 1', cif('Zr Zr1 0.2754 0.0395 0.2083 1\n'
                     'O O1 0.07 0.3317 0.3447 1\n'
                     'O O2 0.4496 0.7569 0.4792 1',
                     (5.15, 5.21, 5.32, 90, 99.23, 90),
                     "_symmetry_space_group_name_H-M 'P 1 21/c 1'"), 12),
  ('P 63/m m c', cif('Mg Mg1 0.3333 0.6667 0.25 1',
                     (3.21, 3.21, 5.21, 90, 90, 120),
                     '_symmetry_Int_Tables_number 194'), 2),
  ('P 1 1 21/b', cif('Ti Ti1 0.1 0.2 0.3 1', (4.1, 5.2, 6.3, 90, 90, 100),
                     "_symmetry_space_group_name_H-M 'P 1 1 21/b'"), 4),
  ('F m -3 m', cif('Cu Cu1 0 0 0 1', (3.6,) * 3 + (90,) * 3,
                   "_symmetry_space_group_name_H-M 'F m 3 m'"), 4),
]  # fmt: skip


@pytest.mark.filterwarnings('ignore:Issues encountered while parsing CIF')
@pytest.mark.filterwarnings('ignore:No _symmetry_equiv_pos_as_xyz')
@pytest.mark.parametrize('group, text, atoms', SYMMETRIC)
def test_symmetry_is_that_of_gemmi_and_pymatgen(tmp_path, group, text, atoms):
  crystal = cj.read(save(tmp_path, text))
  assert crystal.num_atoms == atoms

  gemmi = pytest.importorskip('gemmi')
  block = gemmi.cif.read_string(text).sole_block()
  small = gemmi.make_small_structure_from_block(block)
  small.spacegroup = gemmi.find_spacegroup_by_name(group)
  small.setup_cell_images()
  sites = small.get_all_unit_cell_sites()
  assert same_sites(
    crystal,
    [site.element.atomic_number for site in sites],
    [site.fract.tolist() for site in sites],
  )
  pymatgen = pytest.importorskip('pymatgen.core')
  structure = pymatgen.Structure.from_str(text, fmt='cif')
  np.testing.assert_allclose(
    crystal.to_ase().cell.cellpar(), structure.lattice.parameters
  )
  if not group.startswith('F'):  # pymatgen reads no origin and no 'F m 3 m'
    assert same_sites(
      crystal, [s.Z for s in structure.species], structure.frac_coords
    )


def test_rhombohedral_axes_are_seen_from_the_angles(tmp_path):
  text = cif(
    'Bi Bi1 0.2339 0.2339 0.2339 1',
    (4.75, 4.75, 4.75, 57.2, 57.2, 57.2),
    "_symmetry_space_group_name_H-M 'R -3 m'\n_symmetry_Int_Tables_number 166",
  )
  crystal = cj.read(save(tmp_path, text))
  assert same_sites(crystal, [83, 83], [[0.2339] * 3, [-0.2339] * 3])


@pytest.mark.parametrize(
  'symbol, number',
  [('Ti4+', 22), ('O2-', 8), ('D', 1), ('D1+', 1), ('FE', 26), ('Cl1-', 17),
   ('Ti0+', 22), ('Fe2.5+', 26)],
)  # fmt: skip
def test_type_symbols(tmp_path, symbol, number):
  crystal = cj.read(save(tmp_path, cif(f'{symbol} x1 0 0 0 1')))
  assert crystal.numbers.tolist() == [number]


@pytest.mark.parametrize(
  'label, number', [('Ti1', 22), ('O2A', 8), ('OW1', 8), ('D3', 1), ('Cl', 17)]
)
def test_labels_without_type_symbols(tmp_path, label, number):
  text = cif(f'{label} 0 0 0', columns='label fract_x fract_y fract_z')
  assert cj.read(save(tmp_path, text)).numbers.tolist() == [number]


@pytest.mark.parametrize(
  'text, reason',
  [
    ('', 'empty'),
    ('\n\n', 'no structure'),
    ('not a cif at all', 'cannot be read'),
    (cif('Ti Ti1 0 0 0 0.5'), 'partial occupancy: site Ti1'),
    (cif('Ti Ti1 0 0 0 0.5\nZr Zr1 0 0 0 0.5'), 'partial occupancy'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0.5 0.5 0.5 0.97(1)'), 'site O1'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0 0 0.1 1'), '0.30 Å apart'),
    (cif('Ti Ti1 0 0 0 1\nO O1 0 0 0 1'), '0.00 Å apart'),
    (cif('Ti Ti1 0 0 0.01 1\nO O1 0 0 0.99 1'), '0.06 Å apart'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 0.3, 90, 90, 90)), '0.30 Å apart'),
    (cif('Xx Xx1 0 0 0 1'), "unknown species 'Xx'"),
    (cif('OH O1 0 0 0 1'), "unknown species 'OH'"),
    (cif('M M1 0 0 0 1'), "unknown species 'M'"),
    (cif('Wat 0 0 0', columns='label fract_x fract_y fract_z'), 'Wat'),
    (cif('CA1 0 0 0', columns='label fract_x fract_y fract_z'), 'C or Ca'),
    (cif('Ti Ti1 ? 0 0 1'), 'no numbers'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 0, 90, 90, 90)), 'not positive'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 4, 90, 60, 30)), 'span no volume'),
    (cif('Ti Ti1 0 0 0 1', (4, 4, 4, 120, 120, 120)), 'span no volume'),
    (cif('Ti Ti1 0 0 0 1').replace('_cell_length_b', '_cell_b'), 'no cell'),
    (cif('Ti Ti1 0 0 0 1').split('loop_')[0], 'no structure'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry="_symmetry_space_group_name_H-M "
         "'P 7 7 7'"), 'list its symmetry operations'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry="_symmetry_space_group_name_H-M "
         "'P 1 21/c 1'\n_space_group_IT_number 15"),
     'contradictory space group'),
    (cif('Ti Ti1 0 0 0.1 1', symmetry='_space_group_IT_number 300'),
     'list its symmetry operations'),
    (cif('Si Si1 0 0 0 1', symmetry='_space_group_IT_number 227'),
     'does not fit the cell'),
    (cif('Si Si1 0 0 0 1', (5.43,) * 3 + (90,) * 3,
         '_space_group_IT_number 227'), 'list its symmetry operations'),
    *((cif('Si Si1 0 0 0 1', symmetry=f"loop_\n_symmetry_equiv_pos_as_xyz\n"
           f"'x,y,z'\n'{operation}'"), f"operation '{operation}' {why}")
      for operation, why in [('x,y', 'is malformed'), ('x,x,z', 'is malf'),
                             ('2x,y,z', 'is malf'), ('x,y,w', 'is malf'),
                             ('x,y,z+1/0', 'is malformed')]),
    (cif('Si Si1 0 0 0 1', symmetry='loop_\n_symmetry_equiv_pos_as_xyz\n'
         'x,y,z\ny,z,x\nz,x,y'), "'y,z,x' does not map the lattice"),
    (cif('Si Si1 0 0 0 1', symmetry='loop_\n_symmetry_equiv_pos_as_xyz\n'
         'x,y,z\nx+1/3,y,z'), 'are no group'),
    (cif('Si Si1 0 0 0 1', symmetry='loop_\n_symmetry_equiv_pos_as_xyz\n'
         '-x,-y,z'), 'lack the identity'),
    (cif('Ti Ti1 0 0 0 1') + '_cell_length_a 7\n', 'is there twice'),
  ],
)  # fmt: skip
def test_a_bad_cif_is_refused_with_file_and_reason(tmp_path, text, reason):
  path = save(tmp_path, text)
  with pytest.raises(ValueError, match='bad.cif') as error:
    cj.read(path)
  assert reason in str(error.value)


def test_translations_keep_their_digits(tmp_path):
  text = cif(
    'H H1 0 0 0 1',
    symmetry="loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n"
    "'1/2+X, .3333+y, z-0.2'\n"
    + '\n'.join(f"'{n}/2+x, y+{2 * n % 6}/6, z-{n}/5'" for n in range(2, 30)),
  )
  crystal = cj.read(save(tmp_path, text))
  assert crystal.num_atoms == 30
  expected = [[0, 0, 0], [0.5, 1 / 3, 0.8]]
  np.testing.assert_allclose(fractional(crystal)[:2], expected, atol=1e-9)


@pytest.mark.filterwarnings('ignore:Issues encountered while parsing CIF')
@pytest.mark.parametrize(
  'name, count',
  [
    ('perov_5_val', 20),
    *(
      pytest.param(name, 200, marks=pytest.mark.slow)
      for name in ('perov_5_val', 'carbon_24_val', 'mp_20_head_of_train')
    ),
  ],
)
def test_real_crystals_agree_with_pymatgen(shared_data, name, count):
  pymatgen = pytest.importorskip('pymatgen.io.cif')
  with (shared_data / f'cdvae_csv/{name}.csv').open(newline='') as lines:
    rows = list(csv.DictReader(lines))
  for i in np.random.default_rng(0).choice(len(rows), count, replace=False):
    text = rows[i]['cif']
    # As the file has it: 0.33338 is not rounded to a third.
    parser = pymatgen.CifParser.from_str(text, frac_tolerance=0)
    structure = parser.parse_structures(primitive=False)[0]
    crystal = cj.io.parse_cif(text)
    ours, theirs = crystal.to_ase().cell.array, structure.lattice.matrix
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-4)
    numbers = [s.Z for s in structure.species]
    assert same_sites(
      crystal, numbers, structure.frac_coords, 1e-4 / max(structure.lattice.abc)
    )


def test_a_cif_in_a_string():
  assert cj.io.parse_cif(cif(RUTILE), 'row 7').num_atoms == 2
  for text, reason in (
    (cif('Ti Ti1 0 0 0 .5'), 'row 7: partial occupancy'),
    (cif(RUTILE) + cif(RUTILE), 'row 7: holds 2 structures'),
    ('', 'row 7: holds 0 structures'),
    ('nonsense', 'row 7: cannot be read'),
  ):
    with pytest.raises(ValueError, match=reason):
      cj.io.parse_cif(text, 'row 7')
