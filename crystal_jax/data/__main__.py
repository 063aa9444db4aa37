"""Preparation of data sets as by `tfds build`, but without TensorFlow.

python -m crystal_jax.data datasets/oqmd_icsd20 [--data_dir=DIR]
"""

import argparse

from crystal_jax.data import builders


def main(argv: list[str] | None = None) -> None:
  """Prepares every named data set and prints the sizes of its splits."""
  parser = argparse.ArgumentParser(prog='python -m crystal_jax.data')
  parser.add_argument('builder', nargs='+', help='folder of a data set builder')
  parser.add_argument('--data_dir', help="instead of TFDS's own data folder")
  parser.add_argument('--manual_dir', help='folder of files that you provide')
  args = parser.parse_args(argv)
  for builder in args.builder:
    prepared = builders.prepare(builder, args.data_dir, args.manual_dir)
    sizes = {
      name: info.num_examples for name, info in prepared.info.splits.items()
    }
    print(f'{prepared.info.full_name} in {prepared.data_path}: {sizes}')


if __name__ == '__main__':
  main()
