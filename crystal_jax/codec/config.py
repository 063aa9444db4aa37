"""Configs as JSON and back: lists become the tuples that they were."""

import json
from typing import Any

import ml_collections


def to_json(config: ml_collections.ConfigDict) -> str:
  """A config as text."""
  return json.dumps(config.to_dict(), indent=2)


def from_plain(tree: dict[str, Any]) -> ml_collections.ConfigDict:
  """A config of parsed JSON, with tuples in place of lists."""
  return ml_collections.ConfigDict(_with_tuples(tree))


def _with_tuples(value):
  if isinstance(value, dict):
    return {name: _with_tuples(each) for name, each in value.items()}
  if isinstance(value, list):
    return tuple(map(_with_tuples, value))
  return value
