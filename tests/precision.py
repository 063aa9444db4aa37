"""Precision of the matrix products of a lowered function."""


def check_products(lowered):
  """Asserts that a function has matrix products, all of full precision."""
  lines = lowered.as_text().splitlines()
  products = [line for line in lines if 'dot_general' in line]
  assert products
  assert all('HIGHEST, HIGHEST' in line for line in products)
