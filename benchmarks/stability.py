"""Shift of latents under strain and displacement of atoms.

  python -m benchmarks.stability --weights=mp_20 \
    --data=../shared/data/mp_le20_val.npz --crystals=300

Each crystal is strained (a random symmetric strain of the given Frobenius
norm), or each of its atoms is displaced (a normal deviate along each axis), or
both. The distance of its latent from the original one is divided by the
distance to the nearest other crystal of the set; above one half the latent may
be nearer to another crystal's. `--niggli-tolerance` is the tolerance of the
standard frame.
"""

import argparse
import dataclasses
import pathlib

import numpy as np

import crystal_jax as cj
from benchmarks import compact_crystals
from crystal_jax.structure.crystal import Crystal

# Strain (Frobenius norm), and noise of a coordinate, Å.
STRAINS = 1e-4, 1e-3, 1e-2
NOISES = 0.003, 0.01, 0.03


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--weights', default='mp_20')
  parser.add_argument('--data', type=pathlib.Path, required=True)
  parser.add_argument('--crystals', type=int, default=300)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--niggli-tolerance', type=float, help='Å²')
  args = parser.parse_args()
  codec = cj.Codec.load(args.weights)
  if args.niggli_tolerance is not None:
    codec = with_tolerance(codec, args.niggli_tolerance)
  rng = np.random.default_rng(args.seed)
  crystals = load(args.data, args.crystals, rng)
  latents = codec.encode(crystals, skip=True)
  encoded = np.isfinite(latents).all(axis=1)
  crystals = [c for c, kept in zip(crystals, encoded, strict=True) if kept]
  latents = latents[encoded]
  nearest = distance_to_nearest(latents)
  print(f'{len(crystals)} crystals, {args.weights}\n')
  print('| strain | noise, Å | median | above one half |\n|---|---|---|---|')
  changes = [(s, 0.0) for s in STRAINS] + [(0.0, n) for n in NOISES]
  for strain, noise in [*changes, *zip(STRAINS, NOISES, strict=True)]:
    changed = [perturbed(crystal, strain, noise, rng) for crystal in crystals]
    moved = codec.encode(changed, skip=True)
    ratio = np.linalg.norm(moved - latents, axis=1) / nearest
    # A crystal that is no longer encoded counts as above one half.
    is_above = ~(ratio <= 0.5)
    median, share = np.nanmedian(ratio), is_above.mean()
    print(f'| {strain:g} | {noise:g} | {median:.3f} | {100 * share:.1f} % |')


def with_tolerance(codec: cj.Codec, tolerance: float) -> cj.Codec:
  """The codec with another tolerance of its standard frame, Å²."""
  model = codec._model
  representation = dataclasses.replace(
    model.representation, niggli_tolerance=tolerance
  )
  model = dataclasses.replace(model, representation=representation)
  return cj.Codec(model, codec._params, codec.describe())


def load(
  path: pathlib.Path, number: int, rng: np.random.Generator
) -> list[Crystal]:
  """Some crystals of a compact file, sampled at random."""
  _, crystals, _ = compact_crystals.read(path)
  chosen = rng.choice(len(crystals), min(number, len(crystals)), replace=False)
  return [crystals[i] for i in chosen]


def perturbed(
  crystal: Crystal, strain: float, noise: float, rng: np.random.Generator
) -> Crystal:
  """The crystal after a random strain and random displacements."""
  matrix = rng.normal(size=(3, 3))
  matrix = matrix + matrix.T
  matrix = np.eye(3) + strain * matrix / np.linalg.norm(matrix)
  shifts = noise * rng.normal(size=crystal.positions.shape)
  return Crystal(
    crystal.numbers, crystal.positions @ matrix + shifts, crystal.cell @ matrix
  )


def distance_to_nearest(latents: np.ndarray) -> np.ndarray:
  """Distance of each latent to the nearest other one."""
  squares = np.square(latents).sum(axis=1)
  distances = squares[:, None] + squares - 2 * latents @ latents.T
  np.fill_diagonal(distances, np.inf)
  return np.sqrt(np.maximum(distances.min(axis=1), 1e-12))


if __name__ == '__main__':
  main()
