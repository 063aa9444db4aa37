"""Time to prepare a data set from CIF files, compared with ASE and pymatgen.

  python -m benchmarks.prepare [--files=27136] [--readers=300] [--workers=2]

The CIFs are written as pymatgen writes them, with the crystals of the data set
that comes with the repository.
"""

import argparse
import os
import pathlib
import tempfile
import time
import warnings

import ase.io
import numpy as np

import crystal_jax as cj
from crystal_jax import data
from crystal_jax.structure import elements, lattice

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_EMBEDDED = _ROOT / 'datasets' / 'oqmd_icsd20' / 'data'

_HEAD = """# generated using pymatgen
data_{formula}
_symmetry_space_group_name_H-M   'P 1'
_cell_length_a   {lengths[0]:.8f}
_cell_length_b   {lengths[1]:.8f}
_cell_length_c   {lengths[2]:.8f}
_cell_angle_alpha   {angles[0]:.8f}
_cell_angle_beta   {angles[1]:.8f}
_cell_angle_gamma   {angles[2]:.8f}
_symmetry_Int_Tables_number   1
_chemical_formula_structural   {formula}
_chemical_formula_sum   '{formula}'
_cell_volume   {volume:.8f}
_cell_formula_units_Z   1
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_symmetry_multiplicity
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
"""


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
    '--files', type=int, default=27136, help='CIFs; as many as MP-20 trains on'
  )
  parser.add_argument(
    '--readers', type=int, default=300, help='files that each reader reads'
  )
  parser.add_argument('--workers', type=int)
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    paths = write_cifs(folder / 'cifs', args.files)
    milliseconds = _print_preparation(folder, args.files, args.workers)
    subset = paths[:: max(1, len(paths) // args.readers)][: args.readers]
    _print_readers(subset, milliseconds)
    _print_loading_speed(folder / 'set')


def _print_preparation(folder, count, workers) -> float:
  """Prepares the CIFs of `folder / 'cifs'`; CPU time of a file, ms."""
  start, before = time.perf_counter(), os.times()
  summary = data.prepare([folder / 'cifs'], folder / 'set', workers=workers)
  seconds, after = time.perf_counter() - start, os.times()
  # User and system time of this process and of its children.
  cpu = sum(after[:4]) - sum(before[:4])
  assert summary.crystals == count, summary
  milliseconds = cpu / count * 1e3
  print(
    f'prepare, {count} CIFs: {seconds:.1f} s; of CPU {cpu:.1f} s, '
    f'{milliseconds:.2f} ms each'
  )
  return milliseconds


def _print_readers(paths, prepare_milliseconds) -> None:
  """Prints the CPU time of a file by each reader, and over that of prepare."""
  readers = {
    'crystal_jax.read': cj.read,
    'ase.io.read': ase.io.read,
    'pymatgen': _pymatgen,
  }
  for name, read in readers.items():
    milliseconds = _milliseconds(read, paths)
    print(
      f'{name}: {milliseconds:.2f} ms of CPU each; '
      f'{milliseconds / prepare_milliseconds:.1f} x prepare'
    )


def write_cifs(folder: pathlib.Path, count: int) -> list[pathlib.Path]:
  """Paths of `count` CIFs; crystals of the data set are repeated if need be."""
  folder.mkdir()
  texts = []
  for split in 'train', 'val', 'test':
    with np.load(_EMBEDDED / f'{split}.npz', allow_pickle=False) as file:
      columns = {name: file[name] for name in file.files}
    lengths, angles = lattice.lengths_and_angles(columns['cell'])
    lengths, angles = np.asarray(lengths), np.asarray(angles)
    for i, cell in enumerate(columns['cell']):
      atoms = slice(*columns['offsets'][i : i + 2])
      sites = zip(
        columns['numbers'][atoms], columns['frac'][atoms], strict=True
      )
      head = _HEAD.format(
        formula=f'x{i}',
        lengths=lengths[i],
        angles=angles[i],
        volume=abs(np.linalg.det(cell)),
      )
      lines = [
        _site_line(k, number, fractional)
        for k, (number, fractional) in enumerate(sites)
      ]
      texts.append(head + ''.join(lines))
  paths = [folder / f'mp-{i}.cif' for i in range(count)]
  for i, path in enumerate(paths):
    path.write_text(texts[i % len(texts)])
  return paths


def _site_line(index, number, fractional) -> str:
  x, y, z = fractional
  symbol = elements.symbol(int(number))
  return f'  {symbol}  {symbol}{index}  1  {x:.8f}  {y:.8f}  {z:.8f}  1\n'


def _pymatgen(path):
  import pymatgen.core

  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    return pymatgen.core.Structure.from_file(path)


def _milliseconds(read, paths) -> float:
  """CPU time of a file, ms, after one file was read to warm up."""
  read(paths[0])
  start = time.process_time()
  for path in paths:
    read(path)
  return (time.process_time() - start) / len(paths) * 1e3


def _print_loading_speed(folder) -> None:
  """Prints crystals read per second of CPU time, from disk and from memory."""
  source = data.load_split(folder, 'train')
  start = time.process_time()
  arrays = data.in_memory(source)
  seconds = time.process_time() - start
  print(f'from disk: {len(source) / seconds:.0f} crystals a second of CPU')
  batch_size, num_batches = 1024, 100
  batches = data.batches(arrays, batch_size=batch_size, seed=0)
  next(batches)
  start = time.process_time()
  for _ in range(num_batches):
    next(batches)
  seconds = time.process_time() - start
  speed = batch_size * num_batches / seconds
  print(f'from memory: {speed:.0f} crystals a second of CPU')


if __name__ == '__main__':
  main()
