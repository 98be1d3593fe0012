"""Inference: what every expression of a project is, found without running it."""
