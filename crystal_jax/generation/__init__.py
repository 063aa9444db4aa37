"""Second stage on a frozen codec: new crystals, sampled from a prior.

A prior on the codec's latents (`prior`), its conditions (`conditions`,
`request`), compositions (`compositions`), draws (`sampling`), and neighbours of
a crystal (`variation`). Training is the task 'prior' of `crystal_jax.tasks`.
"""
