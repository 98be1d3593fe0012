"""There and back: each PyTorch program of the fixtures to TensorFlow and to PyTorch again.

Says for each what was refused on the way, the largest relative difference to the original (outputs, gradients, buffers;
float64, eval and train mode), and whether a second round trip gives the text of the first.
Prints a table in Markdown; ``--write`` puts it into ``docs/round_trips.md``.
Run: python benchmarks/round_trips.py [--write]
"""

from __future__ import annotations

import argparse
import sys
import tomllib
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
HEAD = """# Round trips

Each PyTorch program of the fixtures was translated to TensorFlow (channels first) and back: `python
benchmarks/round_trips.py --write`. *Refused*: what was left untranslated on the way. *Difference*: the largest relative
one to the original, of outputs, gradients and buffers in float64, in eval and train mode; "-" where the fixture has no
model of its own (a training script). *Again*: whether a second round trip gives the same text.

"""


def main() -> None:
    import round_trip_support as trips

    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/round_trips.md")
    write = parser.parse_args().write
    rows, whole, agree, stable, compared = [], 0, 0, 0, 0
    for path in sorted(trips.FIXTURES.glob("*/torch_model.py")):
        source = path.read_text("utf-8")
        models = tomllib.loads((path.parent / "case.toml").read_text("utf-8")).get("model", [])
        found = trips.trip(source, "channels_first")
        refused = len(found.refused)
        difference = again = "-"
        if not refused:
            whole += 1
            compared += bool(models)
            try:
                worst = max((trips.worst_difference(source, found.back.text, m) for m in models), default=None)
                difference = "-" if worst is None else f"{worst:.0e}"
                agree += worst is not None and worst < 1e-9
            except Exception as error:  # told in the table
                difference = type(error).__name__
            same = trips.trip(found.back.text, "channels_first").back.text == found.back.text
            again, stable = ("same" if same else "differs"), stable + same
        rows.append(f"| {path.parent.name} | {refused or ''} | {difference} | {again} |")
        print(rows[-1], file=sys.stderr, flush=True)
    said = f"{whole} of {len(rows)} come back whole; {agree} of {compared} with models agree; {stable} the same again."
    table = "\n".join([said, "", "| program | refused | difference | again |", "| --- | --- | --- | --- |", *rows, ""])
    print(table)
    if write:
        (ROOT / "docs" / "round_trips.md").write_text(HEAD + table, "utf-8")


if __name__ == "__main__":
    main()
