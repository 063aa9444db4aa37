"""Evaluation of trained runs and codecs: decoding, comparison, reports."""
