"""Crystals to latents and back, with trained weights.

`codec` holds the public class `Codec`; `encoding` and `decoding` are its two
directions without state; `model` builds its networks; `batching` pads crystals
into batches; `refinement` improves decoded crystals by encoding them again.
`shipped`, `loading`, `weights_file`, `card` and `config` are files; `coverage`
counts crystals that shipped codecs take.
"""

from crystal_jax.codec.codec import Codec

__all__ = ['Codec']
