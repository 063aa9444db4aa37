"""Losses and metrics over the steps of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure


def curves(rows: Sequence[Mapping]) -> Figure:
  """Losses over steps, training and held-out, one panel for each metric.

  Args:
    rows: Lines of `metrics.jsonl`: `step`, `split` and metrics.
  """
  names = [n for n in rows[0] if n == 'loss' or n.startswith('loss_')]
  names += [n for n in ('species_iou',) if n in rows[0]]
  figure = Figure(figsize=(2.6 * len(names), 2.4), layout='constrained')
  for ax, name in zip(
    figure.subplots(1, len(names), squeeze=False)[0], names, strict=True
  ):
    for split, style in [('train', '-'), ('heldout', 'o--')]:
      points = [(r['step'], r[name]) for r in rows if r['split'] == split]
      if points:
        ax.plot(*zip(*points, strict=True), style, ms=3, lw=1, label=split)
    if name != 'species_iou' and all(r[name] > 0 for r in rows):
      ax.set_yscale('log')
    ax.set_title(name, fontsize=9)
    ax.set_xlabel('step', fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7)
  return figure
