"""One accelerator: is it right, and how fast is it? Under four minutes.

  python -m benchmarks.accelerator > table.md
  python -m benchmarks.accelerator --small    # any CPU

Prints a table of four parts, and exits with 1 if a check fails:

- densities of adversarial cells against float64 sums, to 5e-6 of a peak;
- densities and their gradients: time a crystal, and the time that writing the
  grid alone takes as a share of it, one crystal after the other, by `vmap`, and
  by `voxelize_batch`;
- a training step of `vae60` (bfloat16), `cell16` and `box30`: time, examples a
  second, share of the bfloat16 matrix peak, share of making the examples;
- the codec mp_20: latents against those of the CPU of the same machine, to
  1e-3; encoding, decoding and refining, crystals a second.

Crystals are held-out ones of the embedded data set.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import crystal_jax as cj
from benchmarks import voxelize_rounding as rounding
from crystal_jax import tasks
from crystal_jax.codec import batching
from crystal_jax.codec.model import encode_batch
from crystal_jax.structure.crystal import stack
from crystal_jax.training import parallel, run
from crystal_jax.training.state import make_optimizer
from experiments import box30, cell16, vae60
from tests import reference

# Largest error of a density, of a peak, and difference of two latents.
DENSITY_ERROR, LATENT_ERROR = 5e-6, 1e-3
_VAL = pathlib.Path(__file__).parents[1] / 'datasets/oqmd_icsd20/data/val.npz'


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is measured.

  Attributes:
    cells: Number of cells of one atom, of `voxelize_rounding.ONE_ATOM`.
    random: Number of random small cells.
    sizes: Voxels a side of the densities.
    batch: Crystals of a batch of densities.
    matrix: Side of the matrices whose product gives the peak.
    configs: Configs of the training steps, by name.
    codec: The codec.
    crystals: Number of crystals that the codec takes.
    repeats: Times of which the least is taken.
  """

  cells: int = len(rounding.ONE_ATOM)
  random: int = 8
  sizes: tuple[int, ...] = (30, 60, 128)
  batch: int = 64
  matrix: int = 8192
  configs: Mapping[str, Any] = dataclasses.field(
    default_factory=lambda: {
      'vae60': vae60.get_config(),
      'cell16': cell16.get_config(),
      'box30': box30.get_config(),
    }
  )
  codec: Any = 'mp_20'
  crystals: int = 512
  repeats: int = 5


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--small', action='store_true', help='minutes on a CPU')
  args = parser.parse_args()
  plan = Plan()
  if args.small:
    plan = dataclasses.replace(
      plan,
      cells=3,
      random=2,
      sizes=(30,),
      batch=4,
      matrix=512,
      configs={'cell16': cell16.get_config()},
      crystals=32,
      repeats=2,
    )
  sys.exit(0 if report(plan) else 1)


def report(plan: Plan) -> bool:
  """Prints the rows of a plan; whether all checks hold."""
  device = jax.devices()[0]
  print(f'{device.platform}, {device.device_kind}, jax {jax.__version__}\n')
  print('| what | figure | check |\n|---|---|---|')
  all_hold = True
  for rows in (accuracy, densities, training_steps, codec_rows):
    for name, figure, holds in rows(plan):
      check = '' if holds is None else ('holds' if holds else 'FAILS')
      print(f'| {name} | {figure} | {check} |', flush=True)
      all_hold &= holds is not False
  return all_hold


Rows = Iterator[tuple[str, str, bool | None]]


def accuracy(plan: Plan) -> Rows:
  """The largest error of the densities of adversarial cells."""
  rng = np.random.default_rng(0)
  errors = []
  for edge, angle, sigma in rounding.ONE_ATOM[: plan.cells]:
    cell = reference.triclinic((edge,) * 3, (angle,) * 3)
    atoms = np.array([[0.3, 0.2, 0.1]]), np.array([82.0])
    errors += [
      rounding.error(atoms, cell, grid, sigma)[0]
      for grid in (rounding.BOX, rounding.CELL)
    ]
  for _ in range(plan.random):
    errors.append(rounding.error(*rounding.random_crystal(rng))[0])
  worst = max(errors)
  name = f'densities of {len(errors)} adversarial cells, error of a peak'
  yield name, f'{worst:.1e}', worst < DENSITY_ERROR


def densities(plan: Plan) -> Rows:
  """Time of a density, forward and with gradient, in three forms."""
  batch = stack(crystals(plan.batch))
  arrays = tuple(
    jnp.asarray(x, jnp.float32)
    for x in (batch.positions, batch.numbers, batch.cell)
  )
  for size in plan.sizes:
    grid = cj.BoxGrid(length=10.0, size=size)
    most = max(
      cj.count_images(p, c, grid=grid, sigma=0.5)
      for p, c in zip(batch.positions, batch.cell, strict=True)
    )
    options = {'grid': grid, 'sigma': 0.5, 'max_images': most}
    one = functools.partial(cj.voxelize, **options)
    forms = {
      'vmap': jax.vmap(one),
      'voxelize_batch': functools.partial(cj.voxelize_batch, **options),
    }
    shape = (plan.batch, size, size, size)
    fill = jax.jit(lambda x, shape=shape: jnp.full(shape, x))
    writing = seconds(fill, jnp.float32(1.0), repeats=plan.repeats)
    name = f'writing {plan.batch} grids of {size}³'
    yield name, f'{1e3 * writing:.3g} ms', None
    for name, form in forms.items():
      for what, function in ('forward', form), ('gradient', _gradient(form)):
        taken = seconds(jax.jit(function), *arrays, repeats=plan.repeats)
        yield (
          f'{what}, {size}³, σ 0.5 Å, {most} images, {name}',
          f'{1e3 * taken / plan.batch:.3g} ms a crystal, writing is '
          f'{writing / taken:.1%}',
          None,
        )


def _gradient(form):
  def total(positions, *arguments):
    return jnp.sum(jnp.square(form(positions, *arguments)))

  return jax.value_and_grad(total)


def training_steps(plan: Plan) -> Rows:
  """Time of a training step, and where it goes."""
  x = jnp.ones((plan.matrix, plan.matrix), jnp.bfloat16)
  product = seconds(jax.jit(jnp.matmul), x, x, repeats=plan.repeats)
  peak = 2 * plan.matrix**3 / product
  yield f'bfloat16 product, {plan.matrix}²', f'{peak / 1e12:.3g} TFLOP/s', None
  for name, config in plan.configs.items():
    task = tasks.task_of(config)
    model = task.make_model(config.model)
    arrays = batching.arrays_of(crystals(2 * config.train.batch_size))
    columns, _ = model.representation.prepare(arrays)
    sized = model.representation.sized(columns)
    model = dataclasses.replace(model, representation=sized)
    made = run.Run(
      config, task, model, {'train': columns}, {}, make_optimizer(config.train)
    )
    size, devices = config.train.batch_size, jax.local_device_count()
    size -= size % devices
    batch = batching.full_batch(columns, np.arange(len(columns['id'])), size)
    split = {k: v.reshape(devices, -1, *v.shape[1:]) for k, v in batch.items()}
    step = parallel.parallel_train_step(made.train_step)
    state = parallel.replicate(made.fresh_state())
    flops = _flops(step, state, split)
    taken, state = _steps(step, state, split, plan.repeats)
    examples = jax.jit(sized.examples)
    part = seconds(examples, jax.random.key(0), batch, repeats=plan.repeats)
    yield (
      f'training step of {name}, batch of {size}, {config.model.dtype}',
      f'{1e3 * taken:.3g} ms, {size / taken:.3g} examples a second, '
      f'{flops / taken / peak:.1%} of the peak, examples {part / taken:.0%}',
      None,
    )


def _steps(step, state, batch, repeats):
  """The least time of a step; each takes the state of the one before."""
  taken = float('inf')
  for _ in range(repeats + 1):  # The first compiles.
    start = time.perf_counter()
    state, _ = step(state, batch)
    jax.block_until_ready(state)
    taken = min(taken, time.perf_counter() - start)
  return taken, state


def _flops(step, state, batch) -> float:
  """Operations of a step, as XLA counts them; NaN if it does not."""
  cost = step.lower(state, batch).compile().cost_analysis()
  cost = cost[0] if isinstance(cost, list) else cost
  return (cost or {}).get('flops', float('nan'))


def codec_rows(plan: Plan) -> Rows:
  """Latents against those of the CPU; encoding, decoding and refining."""
  codec = plan.codec
  if isinstance(codec, str):
    codec = cj.Codec.load(codec)
  found = crystals(plan.crystals)
  encoded = np.isfinite(codec.encode(found, skip=True)).all(axis=1)
  encodable = [found[i] for i in np.flatnonzero(encoded)]
  model, batch = codec.to_arrays(encodable[:32])
  cpu = jax.devices('cpu')[0]
  here = encode_batch(model, codec.params, batch).mean
  there = encode_batch(model, *jax.device_put((codec.params, batch), cpu)).mean
  difference = float(np.abs(np.asarray(here) - np.asarray(there)).max())
  name = f'latents of {len(encodable[:32])} crystals against those of the CPU'
  yield name, f'{difference:.1e}', difference < LATENT_ERROR
  z = codec.encode(encodable)
  works = {
    'encode': lambda: codec.encode(encodable),
    'decode, refine=none': lambda: codec.decode(z, refine='none'),
    'decode, refine=auto': lambda: codec.decode(z),
  }
  for name, work in works.items():
    taken = seconds(work, repeats=1)
    yield name, f'{len(encodable) / taken:.3g} crystals a second', None


def seconds(function: Callable, *args: Any, repeats: int) -> float:
  """The least time of several calls, after one that compiles."""
  taken = float('inf')
  for _ in range(repeats + 1):
    start = time.perf_counter()
    jax.block_until_ready(function(*args))
    taken = min(taken, time.perf_counter() - start)
  return taken


def crystals(count: int) -> list[cj.Crystal]:
  """Held-out crystals of the embedded data set; repeated if they are few."""
  with np.load(_VAL, allow_pickle=False) as file:
    arrays = {name: file[name] for name in file.files}
  ends = arrays['offsets']
  found = []
  for i in np.resize(np.arange(len(ends) - 1), count):
    atoms, cell = slice(ends[i], ends[i + 1]), arrays['cell'][i]
    numbers = arrays['numbers'][atoms].astype(np.int32)
    found.append(cj.Crystal(numbers, arrays['frac'][atoms] @ cell, cell))
  return found


if __name__ == '__main__':
  main()
