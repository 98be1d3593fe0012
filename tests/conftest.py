"""Settings that must stand before a framework is imported, and the processes that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve a machine that is shared


@pytest.fixture(scope="session")
def pool() -> Iterator[object]:
    """Both worker processes of ``xlate verify``: importing the frameworks takes seconds, so all tests use one pair."""
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.proof.pool import Pool

    with Pool(900.0) as pool:
        yield pool
