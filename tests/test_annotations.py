"""Public functions have types: every argument, and what is returned."""

import inspect

import crystal_jax as cj


def untyped(function):
  """Names of the arguments without a type, 'return' among them."""
  signature = inspect.signature(function)
  found = [
    name
    for name, parameter in signature.parameters.items()
    if parameter.annotation is parameter.empty and name not in ('self', 'cls')
  ]
  if signature.return_annotation is signature.empty:
    found.append('return')
  return found


def public_functions():
  for name in cj.__all__:
    value = getattr(cj, name)
    if not inspect.isclass(value):
      yield name, value
      continue
    for attribute, member in inspect.getmembers(value):
      if attribute.startswith('_') or issubclass(value, Exception):
        continue
      if isinstance(member, property):
        yield f'{name}.{attribute}', member.fget
      elif inspect.isroutine(member):
        yield f'{name}.{attribute}', member


def test_public_functions_are_typed():
  functions = dict(public_functions())
  assert len(functions) > 40 and 'Codec.encode' in functions
  wrong = {n: missing for n, f in functions.items() if (missing := untyped(f))}
  assert not wrong


def test_a_missing_type_is_found():
  def one(x, y: int): ...

  assert untyped(one) == ['x', 'return']
