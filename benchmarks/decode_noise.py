"""Decoding of noisy densities: a table and a plot.

White noise, and smooth noise as wide as the atoms, at 0, 1, 3 and 10 % of a
carbon atom's peak (root mean square).

  python -m benchmarks.decode_noise
"""

import pathlib

import numpy as np
import scipy.ndimage
from matplotlib import figure

from benchmarks import compact_crystals, decode

SHARES = (0.0, 0.01, 0.03, 0.1)
PANELS = {
  'cell': 'strict match',
  'single': 'atoms found with the right species',
  'repeating': 'strict match, of all',
}


def main():
  args = decode.arguments(__doc__, crystals=40).parse_args()
  path = args.data / f'{args.set}.npz'
  crystals, _ = compact_crystals.read_random(path, args.crystals, args.seed)
  axes_of, canvas = {}, figure.Figure(figsize=(8, 3.6), layout='constrained')
  for kind, axes in zip(
    ('white', 'smooth'), canvas.subplots(1, 2, sharey=True), strict=True
  ):
    axes_of[kind] = axes
    axes.set(title=f'{kind} noise', xlabel='of the peak of carbon, %')
  print('noise, of a carbon peak | ' + ' | '.join(PANELS))
  for kind, axes in axes_of.items():
    table = []
    for share in SHARES:
      noise = maker(kind, share)
      row = [
        decode.run(name, crystals, noise=noise)[key]
        for name, key in PANELS.items()
      ]
      table.append(row)
      print(f'{kind} {share:.0%}: ' + '  '.join(f'{x:.3f}' for x in row))
    for name, values in zip(PANELS, np.array(table).T, strict=True):
      label = f'{name}: {PANELS[name]}'
      axes.plot([100 * s for s in SHARES], values, 'o-', label=label)
  axes_of['white'].legend(fontsize=8, loc='lower left')
  path = pathlib.Path(__file__).parent / 'decode_noise.png'
  canvas.savefig(path, dpi=110)
  print(f'wrote {path.name}')


def maker(kind, share):
  """noise(i, density, sigma): an array of the density's shape."""

  def noise(i, density, sigma):
    field = np.random.default_rng(i).normal(size=density.shape)
    if kind == 'smooth':
      field = scipy.ndimage.gaussian_filter(field, 3.0, mode='wrap')
      field /= field.std()
    peak = 6 * (2 * np.pi * sigma**2) ** -1.5
    return (share * peak * field).astype(np.float32)

  return noise


if __name__ == '__main__':
  main()
