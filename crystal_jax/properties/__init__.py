"""Properties read off latents: heads of a user's own, neighbours, optimisation.

Arrays in, arrays out; crystals and weights are the codec's business. The heads
that a codec is trained with are in `models.property_heads`.
"""
