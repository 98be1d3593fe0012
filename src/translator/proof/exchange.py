"""What two processes tell each other: nested results as JSON, and their arrays in one ``.npz`` file. numpy only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..compare.values import array, dtype_name, is_dtype, is_tensor, parts


class Size(tuple[int, ...]):
    """A shape that a PyTorch program returned."""


class dtype(str):
    """The name of a dtype that a program returned; `compare.values.is_dtype` goes by the name of the class."""

    @property
    def name(self) -> str:
        return str(self)


class Remote:
    """An array of another process, under the dtype that it had there."""

    def __init__(self, values: Any, name: str) -> None:
        self.values = values
        self.dtype = name

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def numpy(self) -> Any:
        return self.values


class Parcel:
    """Arrays under keys, on their way into a file. Values go in by `put` and come out by `Opened.get`."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}

    def put(self, value: Any) -> dict[str, Any]:
        """A nested result as plain values; its tensors wait in the parcel."""
        if type(value).__name__ == "Size":
            return {"size": [int(n) for n in value]}
        return {"leaves": [[path, self._leaf(leaf)] for path, leaf in parts(value)]}

    def array(self, value: Any) -> str:
        """Take in one array (or tensor); returns its key."""
        import numpy as np

        key = f"a{len(self.arrays)}"
        self.arrays[key] = np.array(array(value))  # a copy: programs change theirs in place
        return key

    def _leaf(self, leaf: Any) -> dict[str, Any]:
        if is_dtype(leaf) and not is_tensor(leaf):
            return {"dtype": dtype_name(leaf)}
        if is_tensor(leaf):
            return {"array": self.array(leaf), "dtype": dtype_name(leaf)}
        if leaf is None or isinstance(leaf, bool | int | float | str):
            return {"value": leaf}
        if isinstance(leaf, complex):
            return {"complex": [leaf.real, leaf.imag]}
        return {"value": f"<{type(leaf).__name__}>"}

    def save(self, path: Path) -> None:
        import numpy as np

        with path.open("wb") as file:
            np.savez(file, **self.arrays)


class Opened:
    """A parcel that arrived: values by what `Parcel.put` returned."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            self.arrays = {key: file[key] for key in file.files}

    def get(self, told: dict[str, Any]) -> Any:
        """The leaves as (path, value) pairs, or a `Size`."""
        if "size" in told:
            return Size(told["size"])
        return [(path, self._leaf(leaf)) for path, leaf in told["leaves"]]

    def _leaf(self, leaf: dict[str, Any]) -> Any:
        if "array" in leaf:
            return Remote(self.arrays[leaf["array"]], leaf["dtype"])
        if "dtype" in leaf:
            return dtype(leaf["dtype"])
        return complex(*leaf["complex"]) if "complex" in leaf else leaf["value"]
