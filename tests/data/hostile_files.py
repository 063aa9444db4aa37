"""Small files that claim, or expand to, far more than they hold."""

import gzip
import io
import json
import sqlite3
import zipfile

import numpy as np

from tests.data import bad_files


def npz(path, **changes):
  """A compact file of one crystal, with some arrays replaced by bytes."""
  arrays = {
    'numbers': np.uint8([11, 17]),
    'frac': np.float32([[0, 0, 0], [0.5, 0.5, 0.5]]),
    'cell': np.float32([np.eye(3) * 4]),
    'offsets': np.int64([0, 2]),
    'ids': np.array(['x']),
  }
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
    for name, array in (arrays | changes).items():
      data = array
      if not isinstance(array, bytes):
        buffer = io.BytesIO()
        np.save(buffer, array)
        data = buffer.getvalue()
      file.writestr(f'{name}.npy', data)


def header(shape, dtype='<f4'):
  """An array that has a header only."""
  buffer = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    buffer, {'descr': dtype, 'fortran_order': False, 'shape': shape}
  )
  return buffer.getvalue()


def endless_view(path):
  """An ASE database whose rows never end."""
  with sqlite3.connect(path) as base:
    base.execute(
      'CREATE VIEW systems AS WITH RECURSIVE s(id) AS (SELECT 1 UNION ALL '
      "SELECT id + 1 FROM s) SELECT id, x'0b000000' AS numbers, "
      'zeroblob(24) AS positions, zeroblob(72) AS cell, 7 AS pbc, 0 AS energy, '
      "'{}' AS key_value_pairs FROM s"
    )
  base.close()


def huge_columns(path):
  """An ASE database of one row that computes a gigabyte."""
  with sqlite3.connect(path) as base:
    base.execute(
      'CREATE TABLE systems (id INTEGER, numbers BLOB AS '
      '(zeroblob(900000000)), positions BLOB, cell BLOB, pbc INTEGER, '
      'energy REAL, key_value_pairs TEXT)'
    )
    base.execute('INSERT INTO systems (id) VALUES (1)')
  base.close()


def bomb(size):
  """Gzip that expands to a thousand times its size."""
  buffer = io.BytesIO()
  with gzip.GzipFile(fileobj=buffer, mode='wb', compresslevel=9) as file:
    block = b'0' * 1_000_000
    for _ in range(size // len(block)):
      file.write(block)
  return buffer.getvalue()


def operations(count=10_000):
  """A CIF with a translation for each of many operations."""
  listed = [f'x+{i}/{count},y,z' for i in range(count)]
  return bad_files.cif(more=bad_files.symmetry(*listed))


def nested(depth=100_000):
  return '[' * depth + ']' * depth


def write(folder, expanded=100_000_000):
  """Writes all of them, bombs of so many bytes; each is one item."""
  npz(folder / 'header.npz', numbers=header((10**12,), '|u1'))
  npz(folder / 'header_frac.npz', frac=header((2, 3)) + bytes(8))
  npz(folder / 'negative.npz', numbers=header((-1,), '|u1'))
  npz(folder / 'dtype.npz', ids=header((1,), '<U2000000000'))
  npz(folder / 'zeros.npz', numbers=header((6 * 10**8,), '|u1') + bytes(10**6))
  npz(folder / 'offsets.npz', offsets=np.int64([0, 10**9]))
  npz(folder / 'offsets_negative.npz', offsets=np.int64([-2, 2]))
  npz(folder / 'offsets_float.npz', offsets=np.float64([0, 2]))
  npz(folder / 'records.npz', numbers=np.zeros(2, [('a', 'u1'), ('b', 'u1')]))
  endless_view(folder / 'endless.db')
  huge_columns(folder / 'columns.db')
  data = bomb(expanded)
  for name in 'bomb.cif.gz', 'bomb.vasp.gz', 'bomb.xyz.gz':
    (folder / name).write_bytes(data)
  (folder / 'POSCAR_atoms').write_text(
    'x\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa\n400000000\nDirect\n0 0 0\n'
  )
  (folder / 'POSCAR_tiny').write_text(
    bad_files.POSCAR.format(c=1e-3, species='Na Cl', z=0.5).replace('4', '1e-3')
  )
  (folder / 'POSCAR_crowd').write_text(
    'x\n1.0\n1 0 0\n0 1 0\n0 0 1\nH\n20000\nDirect\n'
    + ''.join(f'{i / 20000} {i / 141 % 1} {i / 17 % 1}\n' for i in range(20000))
  )
  (folder / 'atoms.xyz').write_text('400000000\nx\nNa 0 0 0\n')
  (folder / 'digits.xyz').write_text('9' * 5000 + '\nx\nNa 0 0 0\n')
  (folder / 'operations.cif').write_text(operations())
  (folder / 'nested.json').write_text(nested())
  (folder / 'nested.jsonl').write_text(nested() + '\n')
  (folder / 'shape.json').write_text(
    json.dumps(
      {
        '1': {
          'numbers': {'__ndarray__': [[10**12], 'int64', [1]]},
          'positions': [[0, 0, 0]], 'cell': [[4, 0, 0]] * 3, 'pbc': [1] * 3,
        },
        'ids': [1],
      }
    )
  )  # fmt: skip
  (folder / 'long.cif').write_text('data_x\n' + 'a' * 3_000_000)
