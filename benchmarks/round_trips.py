"""There and back: each program of the fixtures to the other framework and home again.

Says for each what was refused on the way, the largest relative difference to the original (outputs, gradients, buffers;
float64), and whether a second round trip gives the text of the first.

Each program runs in a process of its own, which may take its time but not all of it; what was found is kept in
a temporary file with a hash of the translator, so that a run which was cut off goes on where it was.
Prints a table in Markdown; ``--write`` puts it into ``docs/round_trips.md``.
Run: python benchmarks/round_trips.py [--write] [--seconds N] [NAME ...]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
FIXTURES = ROOT / "fixtures"
KEPT = Path(tempfile.gettempdir()) / "xlate_round_trips.json"
LIMIT = 300
"""Seconds for one program: two translations twice, and two frameworks that run it."""
WHAT = {"torch": "PyTorch to TensorFlow and back", "tf": "TensorFlow to PyTorch and back"}
HEAD = """# Round trips

Each program of the fixtures was translated to the other framework and back: `make round-trips`. PyTorch's programs go
through channels last, Keras's come back with channels first.

*Refused*: what was left untranslated on the way there and back. *Difference*: the largest relative one to the original
in float64: of outputs, gradients and buffers of PyTorch's programs in eval and train mode, of outputs of Keras's; "-"
where nothing was compared: something was refused, or the fixture has no model of its own (a training script). *Again*:
whether a second round trip gives the text of the first one.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="fixtures; all if there is none")
    parser.add_argument("--write", action="store_true", help="put the table into docs/round_trips.md")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long; go on next time")
    parser.add_argument("--one", metavar="KIND/NAME", help="what a process of its own is started with")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(*args.one.split("/"))))
        return
    found = measured(args.names, time.monotonic() + args.seconds)
    table = document(found)
    print(table)
    if args.write:
        (ROOT / "docs" / "round_trips.md").write_text(HEAD + table, "utf-8")


# -- one program, in a process of its own ------------------------------------------------------------------------


def one(kind: str, name: str) -> dict[str, Any]:
    """What a program's round trip came to."""
    import round_trip_support as trips

    warnings.simplefilter("ignore")
    folder = FIXTURES / name
    source = (folder / f"{kind}_model.py").read_text("utf-8")
    case = folder / "case.toml"
    models = tomllib.loads(case.read_text("utf-8")).get("model", []) if case.exists() else []
    first = trips.trip(source, kind=kind)
    second = trips.trip(first.back.text, kind=kind)
    same = first.back.text == second.back.text
    found: dict[str, Any] = {
        "there": trips.errors(first.there), "back": trips.errors(first.back), "same": same, "models": len(models),
    }  # fmt: skip
    if not first.refused and models:
        try:
            found["difference"] = max(trips.difference(kind, source, first, m) for m in models)
        except Exception as error:  # told in the table
            found["problem"] = f"{type(error).__name__}: {error}".split("\n")[0][:120]
    return found


# -- all programs ------------------------------------------------------------------------------------------------


def measured(names: list[str], until: float) -> dict[str, dict[str, Any]]:
    """What is known of every program that is asked for, by ``kind/name``; new findings are kept at once."""
    state = fingerprint()
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    kept = kept if kept.get("state") == state else {"state": state, "found": {}}
    cases = [
        f"{kind}/{path.parent.name}"
        for kind in WHAT
        for path in sorted(FIXTURES.glob(f"*/{kind}_model.py"))
        if not names or path.parent.name in names
    ]
    for case in cases:
        if case in kept["found"] or time.monotonic() > until:
            continue
        kept["found"][case] = started(case)
        print(case, kept["found"][case], file=sys.stderr, flush=True)
        KEPT.write_text(json.dumps(kept, indent=1), "utf-8")
    return {case: kept["found"][case] for case in cases if case in kept["found"]}


def started(case: str) -> dict[str, Any]:
    """One program in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--one", case], capture_output=True, text=True, timeout=LIMIT, check=True
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"not done in {LIMIT} s"}
    except subprocess.CalledProcessError as error:
        return {"problem": (error.stderr.strip().splitlines() or ["no word"])[-1][:120]}
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def fingerprint() -> str:
    """A hash of the translator, the fixtures and what compares them."""
    every = [p for folder in ("src", "mappings", "fixtures") for p in sorted((ROOT / folder).rglob("*"))]
    every += [ROOT / "tests" / n for n in ("round_trip_support.py", "tf2torch_support.py")]
    files = [p for p in every if p.is_file() and p.suffix in (".py", ".toml")]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:16]


# -- the table ---------------------------------------------------------------------------------------------------


def document(found: dict[str, dict[str, Any]]) -> str:
    return "".join(section(k, {c.split("/")[1]: f for c, f in found.items() if c.startswith(k + "/")}) for k in WHAT)


def section(kind: str, found: dict[str, dict[str, Any]]) -> str:
    """One direction: a sentence and a table."""
    whole = [f for f in found.values() if f.get("there") == f.get("back") == []]
    compared = [f for f in whole if f["models"]]
    agree = [f for f in compared if f.get("difference", 1) < 1e-9]
    same = [f for f in found.values() if f.get("same")]
    said = (
        f"{len(whole)} of {len(found)} come back whole; {len(agree)} of the {len(compared)} of these that have models "
        f"agree to 1e-9; of {len(same)} a second round trip changes nothing."
    )
    rows = [f"| {name} | {cells(f)} |" for name, f in found.items()]
    head = ["| program | refused there | refused back | difference | again |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(["", f"## {WHAT[kind]}", "", said, "", *head, *rows, ""])


def cells(found: dict[str, Any]) -> str:
    shown = f"{found['difference']:.0e}" if "difference" in found else found.get("problem", "-").split(":")[0]
    again = {True: "same", False: "differs", None: "-"}[found.get("same")]
    refused = [str(len(found.get(way, [])) or "") for way in ("there", "back")]
    return " | ".join([*refused, shown, again])


if __name__ == "__main__":
    main()
