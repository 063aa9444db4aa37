"""Analysis by synthesis: decoded crystals refined by encoding them again.

The networks' readout of a latent is a little off, and now and then by an atom.
The encoder gives the latent of any crystal, so the readout is refined until its
own latent is the given one. Nothing but the latent and the trained networks is
used.

`encoder` gives latents of decoded crystals, `derivatives` their Jacobians;
`gauss_newton` moves atoms and lattice; `edits` are crystals that differ by one
atom; `refine` combines both for one latent, `refine_batch` for a batch;
`config` holds the tuned constants.
"""

from crystal_jax.codec.refinement.config import RefineConfig
from crystal_jax.codec.refinement.encoder import Encoder
from crystal_jax.codec.refinement.refine_batch import (
  Refined,
  compare,
  refine_batch,
)

__all__ = ['Encoder', 'RefineConfig', 'Refined', 'compare', 'refine_batch']
