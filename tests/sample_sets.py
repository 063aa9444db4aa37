"""A reference set of known crystals, and samples scored against it."""

import crystal_jax as cj
from crystal_jax.evaluation.samples.reference import Reference
from tests import crystals

TRAIN = [crystals.perovskite(), crystals.wurtzite(), crystals.hydride()]
HELD_OUT = [crystals.bcc(), crystals.layered()]
REFERENCE = Reference('known', TRAIN, HELD_OUT)


def scored(samples, **options):
  return cj.score(samples, REFERENCE, coverage=False, workers=0, **options)
