"""The report of ``xlate verify`` as plain values, for ``--format json``."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from .. import __version__
from .judge import TOLERANCE, Check
from .result import ModelReport, Report

SCHEMA = 1
"""Raised when a key goes or changes its meaning; new keys may come without that."""


def document(report: Report) -> dict[str, Any]:
    """One document for all files. Numbers that are not finite are ``null``: a ``problem`` says why."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "tolerance": TOLERANCE,
        "exit_code": report.exit_code,
        "files": [
            {"file": f.file, "error": f.error, "notes": f.notes, "models": [_model(m) for m in f.models]}
            for f in report.files
        ],
    }


def _model(model: ModelReport) -> dict[str, Any]:
    return {
        "entry": model.entry,
        "init": model.init,
        "inputs": model.cases,
        "verdict": model.verdict,
        "max_abs": _finite(model.largest),
        "max_rel": _finite(model.worst),
        "float32_max_rel": _finite(model.single_worst),
        "checks": [_check(c) for c in model.checks],
        "exact_checks": [_check(c) for c in model.exact],
        "failure": asdict(model.failure) if model.failure is not None else None,
        "first_difference": asdict(model.spot) if model.spot is not None else None,
        "notes": model.notes,
        "seconds": round(model.seconds, 3),
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "group": check.group,
        "name": check.quantity.name,
        "inputs": check.case,
        "max_abs": _finite(check.quantity.absolute),
        "rel": _finite(check.quantity.error),
        "problem": check.quantity.problem,
        "expected": check.expected,
        "ok": check.ok,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
