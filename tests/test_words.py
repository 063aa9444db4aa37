"""Names: the field's standard words, and none of the project's former own."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = 'crystal_jax', 'experiments', 'datasets', 'benchmarks', 'tests'

# Former name: the standard one.
RETIRED = {
  'said': 'readout, outputs',
  'say': 'readout, outputs',
  'shown': 'inputs',
  'told': 'conditioned',
  'others': 'candidates',
  'apart': 'residual (latents), distance (space)',
  'misfit': 'mean_squared_residual',
  'undo': 'pseudoinverse',
  'pull': 'gradient, cotangent',
  'push': 'jvp',
  'moves': 'edits, steps',
  'explained': 'converged',
  'doubtful': 'uncertain',
  'drawn': 'sampled (latents), decoded (fields)',
  'walks': 'traversals',
  'guarded': 'isolated',
  'foreign': 'adapters',
  'opening': 'loading',
  'by_step': 'host_loop',
  'alike': 'autocorrelation',
  'evidence': 'support',
  'box_fit': 'site_refinement',
  'look': 'peak_pass',
  'looks': 'peak_passes',
  'sure': 'certain',
  'good': 'the quantity',
  'little': 'the quantity',
  'now': 'the quantity',
  'then': 'the quantity',
  'off': 'residual',
  'less': 'the quantity',
  'left': 'residual, remaining',
  'some': 'batch',
  'every': 'all_..',
  'ways': 'ablations, columns',
  'way': 'ablation, column',
  'chunks': 'batches, blocks, shards',
  'looked_for': 'refined',
  'twin': 'reference (tests), near-duplicate, duplicate (data)',
  'twins': 'near-duplicates, duplicates',
  'verb': 'command',
  'verbs': 'commands',
  'answer': 'result',
  'answers': 'results',
  'advice': 'suggestion',
  'whose': 'the quantity',
  'thing': 'the quantity',
  'things': 'the quantities',
  'much': 'the quantity',
}


def defined_names(tree):
  """Names that a module gives to functions, classes, arguments, values."""
  for node in ast.walk(tree):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
      yield node.name, node.lineno
    elif isinstance(node, ast.arg):
      yield node.arg, node.lineno
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
      yield node.id, node.lineno
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
      yield node.attr, node.lineno


def retired(tree):
  """Retired names in a module: line, name, what to write instead."""
  for name, line in defined_names(tree):
    word = name.strip('_').lower()
    if word in RETIRED:
      yield line, name, RETIRED[word]


def test_no_retired_names():
  found = []
  for folder in FOLDERS:
    for path in sorted((ROOT / folder).rglob('*.py')):
      where = path.relative_to(ROOT)
      if path.stem in RETIRED:
        found.append(f'{where}: the file; say {RETIRED[path.stem]}')
      for line, name, word in retired(ast.parse(path.read_text())):
        found.append(f'{where}:{line}: {name}; say {word}')
  assert not found, '\n'.join(found)


# Docs such as 'folder: Of the codec.', which leave the noun to the name.
NO_NOUN = re.compile(r'(^ +\**\w+: |""")Of ', re.MULTILINE)


def test_docs_name_the_noun():
  found = []
  for folder in FOLDERS:
    for path in sorted((ROOT / folder).rglob('*.py')):
      text = path.read_text()
      for match in NO_NOUN.finditer(text):
        line = 1 + text.count('\n', 0, match.start())
        found.append(f'{path.relative_to(ROOT)}:{line}')
  assert not found, '\n'.join(found)
  assert NO_NOUN.search('  Args:\n    folder: Of the codec.\n')


def test_a_retired_name_is_found():
  tree = ast.parse('def f(told):\n  misfit, x._SURE = told\n')
  assert [name for _, name, _ in retired(tree)] == ['told', 'misfit', '_SURE']
