"""Shift of latents under strain of the lattice and displacement of atoms.

  python -m benchmarks.stability --weights=mp_20 \
    --data=../shared/data/mp_le20_val.npz --crystals=300

Not the thermodynamic stability of crystals, which is `crystal_jax.stability`.

Each crystal is strained (a random symmetric strain of the given Frobenius
norm), or each of its atoms is displaced (a normal deviate along each axis), or
both. The distance between the latents of the changed and the original crystal
is divided by the distance from the original one to the nearest latent of
another crystal. If this ratio is above one half, the changed crystal may be
nearer to another crystal than to its original. `--niggli-tolerance` is the
tolerance of the standard frame.
"""

import argparse
import dataclasses
import pathlib

import numpy as np

import crystal_jax as cj
from benchmarks import compact_crystals
from crystal_jax.structure.crystal import Crystal

# Frobenius norms of strains.
STRAINS = 1e-4, 1e-3, 1e-2
# Standard deviations of the displacement along each axis, Å.
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
  crystals = random_crystals(args.data, args.crystals, rng)
  latents = codec.encode(crystals, skip=True)
  encoded = np.isfinite(latents).all(axis=1)
  crystals = [c for c, kept in zip(crystals, encoded, strict=True) if kept]
  latents = latents[encoded]
  nearest = distance_to_nearest(latents)
  print(f'{len(crystals)} crystals, {args.weights}\n')
  print('| strain | noise, Å | median | above one half |\n|---|---|---|---|')
  only_strains = [(strain, 0.0) for strain in STRAINS]
  only_noises = [(0.0, noise) for noise in NOISES]
  both = zip(STRAINS, NOISES, strict=True)
  for strain, noise in [*only_strains, *only_noises, *both]:
    changed = [perturbed(crystal, strain, noise, rng) for crystal in crystals]
    shift = codec.encode(changed, skip=True) - latents
    ratio = np.linalg.norm(shift, axis=1) / nearest
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


def random_crystals(
  path: pathlib.Path, count: int, rng: np.random.Generator
) -> list[Crystal]:
  """Random crystals of a compact file, all if it has no more than `count`."""
  _, crystals, _ = compact_crystals.read(path)
  chosen = rng.choice(len(crystals), min(count, len(crystals)), replace=False)
  return [crystals[i] for i in chosen]


def perturbed(
  crystal: Crystal, strain: float, noise: float, rng: np.random.Generator
) -> Crystal:
  """The crystal after a random strain and random displacements of atoms.

  Args:
    crystal: The crystal.
    strain: Frobenius norm of the strain.
    noise: Standard deviation of the displacement along each axis, Å.
    rng: Generator of random numbers.
  """
  symmetric = rng.normal(size=(3, 3))
  symmetric = symmetric + symmetric.T
  deformation = np.eye(3) + strain * symmetric / np.linalg.norm(symmetric)
  displacements = noise * rng.normal(size=crystal.positions.shape)
  return Crystal(
    crystal.numbers,
    crystal.positions @ deformation + displacements,
    crystal.cell @ deformation,
  )


def distance_to_nearest(latents: np.ndarray) -> np.ndarray:
  """Distance of each latent to the nearest other one."""
  norms = np.square(latents).sum(axis=1)
  squares = norms[:, None] + norms - 2 * latents @ latents.T
  np.fill_diagonal(squares, np.inf)
  return np.sqrt(np.maximum(squares.min(axis=1), 1e-12))


if __name__ == '__main__':
  main()
