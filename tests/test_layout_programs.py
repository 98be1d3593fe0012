"""Random programs compute the same in PyTorch and in their translations, in both axis orders and back again.

``XLATE_PROGRAMS=2000`` runs that many; the default is a sample. A program may be refused, but few are.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from layout_programs import INPUT, programs
from translator import Translation, translate
from translator.model import Severity

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

COUNT = int(os.environ.get("XLATE_PROGRAMS", "150"))
REFUSED_AT_MOST = 0.05
NOTHING = 1e-10
CASE = [{"x": f"float[{','.join(map(str, INPUT))}]"}]
QUIET = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def is_refused(translation: Translation) -> bool:
    return any(d.severity is Severity.ERROR for d in translation.diagnostics)


def report(kind: str, counts: Counter[str]) -> None:
    """Print what became of the programs; hypothesis draws the same ones more than once while it shrinks."""
    print(f"{kind}: {dict(counts)}")
    assert counts["refused"] <= REFUSED_AT_MOST * counts["programs"], counts


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_to_tensorflow(layout: str) -> None:
    from translator.compare import compare_program

    counts: Counter[str] = Counter()

    @settings(QUIET, max_examples=COUNT if layout == "channels_last" else COUNT // 5)
    @given(programs())
    def check(source: str) -> None:
        counts["programs"] += 1
        translation = translate(source, "torch2tf", layout=layout)
        if is_refused(translation):
            counts["refused"] += 1
            return
        counts["channels first"] += any(d.code == "XL304" for d in translation.diagnostics)
        result = compare_program(
            source, translation.text, "Net", {}, CASE, edges=translation.edges, graph=False, single=False, train=False
        )
        # Sums that cancel to nothing leave rounding errors alone, and no relative difference says anything of those.
        wrong = [q for q, limit in result.quantities if not q.ok(limit) and (q.problem or q.absolute > NOTHING)]
        assert result.quantities and not wrong, f"{result}\n{source}\n{translation.text}"

    check()
    report(layout, counts)
