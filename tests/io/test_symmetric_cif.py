"""`write(symprec=)`: a CIF with its space group, which all readers agree on."""

import ase.build
import numpy as np
import pytest

import crystal_jax as cj
from tests.chiral import QUARTZ, left_handed, space_group

CASES = {
  'P6_3mc': (186, ase.build.bulk('ZnO', 'wurtzite', a=3.25, c=5.2, u=0.38), 4),
  'Fm-3m': (225, ase.build.bulk('NaCl', 'rocksalt', a=5.64), 8),
  'Fd-3m': (227, ase.build.bulk('Si').repeat((1, 1, 3)), 8),
  'P3_121': (152, QUARTZ[152], 9),
  'P3_221': (154, QUARTZ[154], 9),
}


@pytest.mark.parametrize('group, atoms, count', CASES.values(), ids=CASES)
def test_the_file_holds_the_crystal_and_its_space_group(
  tmp_path, group, atoms, count
):
  core = pytest.importorskip('pymatgen.core')
  matcher = pytest.importorskip('pymatgen.analysis.structure_matcher')
  atoms = atoms.copy()
  atoms.rattle(1e-4, seed=0)
  crystal = cj.Crystal.from_ase(atoms)
  path = tmp_path / 'x.cif'
  for one in crystal, crystal.pad(30), left_handed(crystal):
    cj.write(path, one, symprec=0.01)
    again = cj.read(path)
    assert again.num_atoms == count
    assert space_group(again, 1e-5) == group
    structures = [
      core.Structure(c.cell, c.numbers[c.numbers > 0],
                     c.positions[c.numbers > 0], coords_are_cartesian=True)
      for c in (again, one)
    ]  # fmt: skip
    fit = matcher.StructureMatcher(scale=False, primitive_cell=True)
    rms, _ = fit.get_rms_dist(*structures)
    assert rms < 2e-3


@pytest.mark.filterwarnings('ignore')
def test_pymatgen_and_gemmi_read_the_same_atoms(tmp_path):
  core = pytest.importorskip('pymatgen.core')
  gemmi = pytest.importorskip('gemmi')
  path = tmp_path / 'x.cif'
  cj.write(path, cj.Crystal.from_ase(QUARTZ[152]), symprec=0.01)
  ours = cj.read(path)
  theirs = core.Structure.from_file(path)
  assert len(theirs) == ours.num_atoms
  np.testing.assert_allclose(theirs.lattice.parameters,
                             ours.to_ase().cell.cellpar())  # fmt: skip
  small = gemmi.read_small_structure(str(path))
  assert small.spacegroup.number == 152
  assert len(small.get_all_unit_cell_sites()) == ours.num_atoms


def test_space_groups_that_cannot_be_written(tmp_path):
  crystal = cj.Crystal.from_ase(CASES['Fm-3m'][1])
  with pytest.raises(ValueError, match='x.vasp: only a CIF'):
    cj.write(tmp_path / 'x.vasp', crystal, symprec=0.01)
  for symprec in 0, -1, np.nan:
    with pytest.raises(ValueError, match='x.cif: need a positive symprec'):
      cj.write(tmp_path / 'x.cif', crystal, symprec=symprec)
  assert not list(tmp_path.iterdir())
