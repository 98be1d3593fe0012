"""Random Keras programs compute the same in PyTorch: images channels last become channels first.

``XLATE_EVERY=1`` runs many, ``XLATE_PROGRAMS=500`` that many; the default is a sample. A program may be refused, but
few are.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from keras_programs import INPUT, programs
from translator import translate
from translator.model import Severity

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

COUNT = int(os.environ.get("XLATE_PROGRAMS", "400" if os.environ.get("XLATE_EVERY") else "15"))
REFUSED_AT_MOST = 0.05
QUIET = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
MODEL = {"entry": "Net", "inputs": [{"x": f"float[{','.join(map(str, INPUT))}]"}]}


def test_to_pytorch() -> None:
    import keras

    import tf2torch_support as support
    from translator.compare.precision import precision

    counts: Counter[str] = Counter()

    @settings(QUIET, max_examples=COUNT)
    @given(programs())
    def check(source: str) -> None:
        counts["programs"] += 1
        translation = translate(source, "tf2torch")
        if errors := [d.message for d in translation.diagnostics if d.severity is Severity.ERROR]:
            counts["refused"] += 1
            print("refused:", errors[0])
            return
        keras.backend.clear_session()
        with precision("float64"):
            found = support.compare(source, translation, MODEL)
        assert found.worst
        assert max(found.worst.values()) < 1e-8, f"{found.worst}\n{source}\n{translation.text}"

    check()
    print(dict(counts))
    assert counts["refused"] <= REFUSED_AT_MOST * counts["programs"], counts
