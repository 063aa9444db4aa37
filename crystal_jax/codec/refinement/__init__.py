"""From a latent to the crystal whose latent it is, by asking the encoder.

What networks read off a latent is off by a little, and now and then by an atom.
But the encoder tells the latent of any crystal; so the crystal is looked for
whose own latent is the given one. Nothing but the latent and the trained
networks is asked.

`encoder` gives latents of crystals as they were read, and how they change;
`fit` moves atoms and lattice; `moves` are crystals that differ by one atom;
`search` is all of that for one latent, `finish` what a codec makes of many.
"""

from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.codec.refinement.refine_batch import finish

__all__ = ['Encoder', 'finish']
