"""What tests that start processes share."""

from __future__ import annotations

import signal


def interruptible() -> None:
    """For `preexec_fn`: a child of a job in the background would inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
