"""Small functions of PyTorch's own code that models use, too."""


def check_that(cond, message=None):
    """Raise a RuntimeError, with what ``message()`` says, unless ``cond`` holds."""
    if not cond:
        text = "Expected cond to be True, but got False." if message is None else str(message())
        raise RuntimeError(text)


def repeated(value, count):
    """A sequence as a tuple, or a single value ``count`` times."""
    return tuple(value) if hasattr(value, "__iter__") else (value,) * count
