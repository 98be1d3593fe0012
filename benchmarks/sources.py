"""Real source code to measure on: packages' wheels, downloaded once and unpacked, never imported."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".corpus"


def package(name: str, version: str | None = None) -> Path:
    """The folder of a package's sources.

    Raises:
        SystemExit: if the wheel cannot be downloaded, with what to do.
    """
    place = CACHE / name
    if not place.is_dir():
        wheels = CACHE / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        wanted = f"{name}=={version}" if version else name
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), wanted]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(f"cannot download {wanted}: is a package index reachable?")
        wheel = next(wheels.glob(f"{name}-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.endswith((".py", "LICENSE", "top_level.txt")):
                    archive.extract(member, place)
        wheel.unlink()
    return place


def model_files() -> list[Path]:
    """torchvision's classification model files."""
    folder = package("torchvision") / "torchvision" / "models"
    return sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
