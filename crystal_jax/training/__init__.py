"""Training: one loop, step and checkpoint format for every task."""
