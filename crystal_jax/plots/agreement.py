"""Figures of agreement between decoded and true atoms."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from matplotlib.figure import Figure

# Distances between true atoms and the nearest decoded ones, and vice versa, in
# Hoffmann et al., arXiv:1909.00949: median and 90 % quantile, Å.
PAPER_MEDIAN, PAPER_P90 = 0.095, 0.26
# Name of number 0, for true atoms near which nothing was decoded.
_NOTHING = 'none'
# Maximum number of species for which the cells of the matrix have numbers.
_MAX_WRITTEN = 12


def nearest_atoms(
  true_distances: Float[np.ndarray, 'N'],
  decoded_distances: Float[np.ndarray, 'K'],
  maximum: float = 0.5,
) -> Figure:
  """Histograms of distances to the nearest atom, both ways.

  Lines mark the median and the 90 % quantile, and those that the paper reports.

  Args:
    true_distances: Distance from each true atom to the nearest decoded one, Å.
    decoded_distances: Distance from each decoded atom to the nearest true one,
      Å.
    maximum: End of the axis, Å; longer distances are counted in the title.
  """
  figure = Figure(figsize=(8, 2.8), layout='constrained')
  panels = {
    'true atom to the nearest decoded': np.asarray(true_distances),
    'decoded atom to the nearest true': np.asarray(decoded_distances),
  }
  axes = figure.subplots(1, 2, sharey=True)
  for ax, (name, distances) in zip(axes, panels.items(), strict=True):
    ax.hist(distances, bins=50, range=(0, maximum), color='tab:blue')
    for q, paper, style in (
      (0.5, PAPER_MEDIAN, '-'),
      (0.9, PAPER_P90, '--'),
    ):
      label = 'median' if q == 0.5 else '90 %'
      if len(distances):
        value = float(np.quantile(distances, q))
        ax.axvline(
          value, color='black', ls=style, lw=1, label=f'{label}: {value:.3f} Å'
        )
      ax.axvline(
        paper, color='tab:red', ls=style, lw=1,
        label=f'{label}, paper: {paper:g} Å',
      )  # fmt: skip
    far = int((distances > maximum).sum())
    ax.set_title(f'{name}; {far} of {len(distances)} farther', fontsize=8)
    ax.set_xlim(0, maximum)
    ax.set_xlabel('distance, Å', fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7)
  axes[0].set_ylabel('atoms', fontsize=8)
  return figure


def species_confusion(
  true_numbers: Int[np.ndarray, 'N'], decoded_numbers: Int[np.ndarray, 'N']
) -> Figure:
  """Confusion matrix of decoded elements: shares of each true element.

  Args:
    true_numbers: Atomic numbers of the true atoms.
    decoded_numbers: Atomic numbers of the decoded atoms nearest to them; 0 if
      nothing was decoded.

  Raises:
    ValueError: If the lengths differ, or there is no atom.
  """
  true, decoded = np.asarray(true_numbers), np.asarray(decoded_numbers)
  if true.shape != decoded.shape or not len(true):
    raise ValueError(
      f'Need one decoded number for each true one, not {len(decoded)} for '
      f'{len(true)}.'
    )
  rows, row = np.unique(true, return_inverse=True)
  columns, column = np.unique(
    np.concatenate([decoded, rows]), return_inverse=True
  )
  counts = np.zeros((len(rows), len(columns)))
  np.add.at(counts, (row, column[: len(decoded)]), 1)
  shares = counts / counts.sum(axis=1, keepdims=True)
  side = 2.2 + 0.16 * max(len(columns), len(rows))
  figure = Figure(figsize=(side + 0.8, side), layout='constrained')
  ax = figure.subplots()
  image = ax.imshow(shares, cmap='Blues', vmin=0, vmax=1)
  figure.colorbar(image, ax=ax, shrink=0.7, label='share of the true atoms')
  names = [_NOTHING, *chemical_symbols[1:]]
  ax.set_xticks(range(len(columns)), [names[z] for z in columns], rotation=90)
  ax.set_yticks(range(len(rows)), [names[z] for z in rows])
  ax.tick_params(labelsize=7)
  if len(columns) <= _MAX_WRITTEN:
    for i, j in np.argwhere(counts).tolist():
      color = 'white' if shares[i, j] > 0.5 else 'black'
      ax.text(
        j, i, f'{counts[i, j]:.0f}', ha='center', va='center', fontsize=6,
        color=color,
      )  # fmt: skip
  right = float(np.mean(true == decoded))
  ax.set_title(f'{right:.1%} of {len(true)} atoms right', fontsize=9)
  ax.set_xlabel('decoded species', fontsize=8)
  ax.set_ylabel('true species', fontsize=8)
  return figure
