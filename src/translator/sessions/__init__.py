"""TensorFlow 1: a graph that a session runs, written as a module and functions before it is translated."""

from .spelling import Unclear
from .write import eager, has_session

__all__ = ["Unclear", "eager", "has_session"]
