"""The version: one constant, so that ``xlate --version`` needs no package metadata."""

__version__ = "0.1.0"
