"""Ctrl-C at any moment: also where a library, or Python itself, turns it into an error of another kind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


def reraise_interrupt(error: BaseException) -> None:
    """Raise KeyboardInterrupt if one is behind ``error``; return otherwise.

    Python 3.11 wraps what is raised in ``__set_name__``, as happens while modules are imported, into a RuntimeError.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        cause = cause.__cause__ or cause.__context__


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block has ended; a process that is forked within it starts with the wait in force."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent process, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
