"""Checkpoint files of both frameworks, read and written without either: see `convert` for the whole way."""
