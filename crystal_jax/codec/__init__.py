"""Crystals to latents and back, with trained weights.

`codec` holds the public class `Codec`; `model` builds its networks; `batching`
pads crystals into batches; `loading`, `weights_file` and `config` are files;
`refinement` improves decoded crystals by encoding them again.
"""

from crystal_jax.codec.codec import Codec

__all__ = ['Codec']
