"""The picture of the README: one held-out crystal through a codec and back.

  python -m benchmarks.roundtrip --data=../shared/data/mp_20_part_val.npz \
    --weights=mp_20 --index=981 --out=docs/roundtrip.png

Four panels: the atoms, a projection of the density, the latent, the decoded
atoms. The crystal is drawn in its conventional cell, the decoded one in the
same setting and with the same origin (pymatgen's `get_s2_like_s1`).
"""

import argparse
import pathlib

import ase
import numpy as np
import spglib
from ase.visualize.plot import plot_atoms
from matplotlib.figure import Figure
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition
from pymatgen.io.ase import AseAtomsAdaptor

import crystal_jax as cj
from benchmarks import compact_crystals
from crystal_jax.structure.crystal import Crystal


def draw(crystal: Crystal, decoded: Crystal, latent: np.ndarray) -> Figure:
  """The four panels."""
  atoms = conventional(crystal)
  grid = cj.CellGrid(size=64)
  density = cj.voxelize(
    atoms.positions, atoms.numbers, atoms.cell[:], grid=grid, sigma=0.4
  )
  figure = Figure(figsize=(11, 3.2), layout='constrained')
  axes = figure.subplots(1, 4)
  formula = Composition(crystal.to_ase().get_chemical_formula()).reduced_formula
  for ax, each, title in (
    (axes[0], atoms, f'{formula}, held out'),
    (axes[3], in_setting_of(atoms, conventional(decoded)), 'decoded'),
  ):
    plot_atoms(each, ax, rotation='-80x,12y,0z', radii=0.55)
    ax.set_title(title, fontsize=10)
    ax.axis('off')
  axes[1].imshow(
    np.asarray(density).sum(axis=2).T, origin='lower', cmap='magma'
  )
  axes[1].set_title('density, projected', fontsize=10)
  tokens = latent[:-6].reshape(64, 15).T
  axes[2].imshow(tokens, aspect='auto', cmap='RdBu', vmin=-3, vmax=3)
  axes[2].set_title(f'latent, {latent.size} numbers', fontsize=10)
  for ax in axes[1:3]:
    ax.set_xticks([])
    ax.set_yticks([])
  return figure


def conventional(crystal: Crystal) -> ase.Atoms:
  """The conventional cell of a crystal."""
  atoms = crystal.to_ase()
  cell = atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers
  lattice, scaled, numbers = spglib.standardize_cell(cell, symprec=0.05)
  return ase.Atoms(numbers, scaled_positions=scaled, cell=lattice, pbc=True)


def in_setting_of(first: ase.Atoms, second: ase.Atoms) -> ase.Atoms:
  """The second crystal in the cell and with the origin of the first."""
  one, two = map(AseAtomsAdaptor.get_structure, (first, second))
  matcher = StructureMatcher(primitive_cell=False, scale=False)
  matched = matcher.get_s2_like_s1(one, two, include_ignored_species=True)
  return ase.Atoms(
    matched.atomic_numbers,
    scaled_positions=matched.frac_coords % 1.0,
    cell=first.cell,
    pbc=True,
  )


def main() -> None:
  """Draws the picture."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--index', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, default='roundtrip.png')
  args = parser.parse_args()
  _, crystals, _ = compact_crystals.read(args.data)
  crystal = crystals[args.index]
  codec = cj.Codec.load(args.weights)
  latent = codec.encode([crystal])
  (decoded,) = codec.decode(latent)
  draw(crystal, decoded, latent[0]).savefig(args.out, dpi=110)


if __name__ == '__main__':
  main()
