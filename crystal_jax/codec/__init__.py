"""Crystals to latents and back, with trained weights.

`codec` holds the public class `Codec`, made in steps: `array_codec` (files,
arrays), `crystal_codec`, `property_codec`. `encoding` and `decoding` are its
two directions without state; `model` builds the networks; `batching` pads
crystals into batches; `refinement` improves decoded crystals by encoding them
again. `shipped`, `loading`, `weights_file`, `card` and `config` are files;
`coverage` counts crystals that shipped codecs take.
"""

from crystal_jax.codec.codec import Codec, UnmetWarning

__all__ = ['Codec', 'UnmetWarning']
