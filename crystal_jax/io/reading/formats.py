"""Formats of files that hold crystals, by suffix."""

# Format by suffix. Names that contain one of `VASP` are 'vasp' too.
FORMATS = {
  '.cif': 'cif',
  '.mcif': 'cif',
  '.vasp': 'vasp',
  '.poscar': 'vasp',
  '.res': 'shelx',
  '.ins': 'shelx',
  '.pdb': 'pdb',
  '.ent': 'pdb',
  '.xyz': 'extxyz',
  '.extxyz': 'extxyz',
  '.json': 'json',
  '.db': 'db',
  '.csv': 'csv',
  '.npz': 'npz',
  '.jsonl': 'jsonl',
  '.parquet': 'parquet',
}
VASP = ('POSCAR', 'CONTCAR')

# Suffixes of compressed files, and the formats that are read from them.
COMPRESSED = ('.gz', '.bz2', '.xz')
READ_COMPRESSED = ('cif', 'vasp', 'extxyz', 'shelx', 'pdb')

# The formats for users, in help texts and messages.
DESCRIPTION = (
  'CIF (.cif, .mcif), VASP (*POSCAR*, *CONTCAR*, .vasp, .poscar), SHELX (.res, '
  '.ins), PDB (.pdb, .ent), extxyz (.xyz, .extxyz), ASE databases (.db, '
  '.json), pymatgen (.json, .jsonl), OPTIMADE responses (.json, .jsonl, '
  '.parquet), tables with a column cif (.csv), compact files (.npz)'
)
