"""Second stage on a frozen codec: crystals that nobody has seen.

A prior on the codec's latents (`prior`), what it may be conditioned on
(`conditions`, `request`), compositions (`compositions`), and draws
(`sampling`). Training is the task 'prior' of `crystal_jax.tasks`.
"""
