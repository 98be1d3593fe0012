"""Records what goes into and comes out of every part of a model during one call, in either framework."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..compare.values import is_tensor, parts
from .exchange import Parcel
from .loading import site
from .side import said
from .variables import Watch


class _Tracer:
    """Events in order: ``enter`` with the arrays that go in, ``leave`` with those that come out.

    Each names the part's path, which call of that part it is, and the line of the program that calls it.
    """

    def __init__(self, paths: Sequence[str], parcel: Parcel, watched: Sequence[Any] | None = None) -> None:
        self.paths, self.parcel = paths, parcel
        self.events: list[dict[str, Any]] = []
        self.watched = tuple(watched) if watched else None
        """The part (path, number of its call) of which local variables are noted too."""
        self.watch = Watch(paths, parcel.array, self._inside, self.events)
        self.calls: dict[str, int] = {}
        self.open: list[tuple[str, int]] = []

    def _inside(self) -> bool:
        """Whether what runs now is the watched part's own code, not that of a part inside of it."""
        return bool(self.open) and self.open[-1] == self.watched

    def enter(self, path: str, given: Any) -> None:
        number = self.calls.get(path, 0)
        self.calls[path] = number + 1
        parent = self.open[-1] if self.open else None
        self.open.append((path, number))
        self._note("enter", path, number, given, parent)
        if (path, number) == self.watched:
            self.watch.start()

    def leave(self, path: str, result: Any) -> None:
        number = 0
        if self._inside():
            self.watch.stop()
        while self.open:  # an exception inside may have left some of them open
            found, number = self.open.pop()
            if found == path:
                break
        self._note("leave", path, number, result, self.open[-1] if self.open else None)

    def _note(self, kind: str, path: str, number: int, value: Any, parent: Any) -> None:
        tensors = [leaf for _, leaf in parts(value) if is_tensor(leaf)]
        keys = [self.parcel.array(t) for t in tensors]
        place = site(self.paths)
        self.events.append(
            {"kind": kind, "path": path, "call": number, "arrays": keys, "line": place, "parent": parent,
             "at": len(self.events)}
        )

    def attempt(self, run: Callable[[], Any]) -> str:
        """Run until the end or an exception; its message."""
        before = sys.gettrace()
        try:
            run()
        except Exception as error:
            return f"{type(error).__name__}: {said(error)[:500]}"
        finally:
            sys.settrace(before)
        return ""


class TorchTracer(_Tracer):
    """Forward hooks on every module of a torch module."""

    def __init__(self, module: Any, paths: Sequence[str], parcel: Parcel, watched: Sequence[Any] | None = None) -> None:
        super().__init__(paths, parcel, watched)
        self.module = module
        self.handles: list[Any] = []

    def __enter__(self) -> TorchTracer:
        for path, child in self.module.named_modules():
            self._hook(path, child)
        return self

    def _hook(self, path: str, child: Any) -> None:
        def before(module: Any, args: Any, kwargs: Any) -> None:
            self.enter(path, [*args, *kwargs.values()])

        def after(module: Any, args: Any, output: Any) -> None:
            self.leave(path, output)

        self.handles.append(child.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(child.register_forward_hook(after))

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()


class KerasTracer(_Tracer):
    """A wrapped ``call`` on every layer that is paired with a torch module."""

    def __init__(
        self, layers: Mapping[str, Any], paths: Sequence[str], parcel: Parcel, watched: Sequence[Any] | None = None
    ) -> None:
        super().__init__(paths, parcel, watched)
        self.layers = layers

    def __enter__(self) -> KerasTracer:
        done: set[int] = set()
        for path, layer in self.layers.items():
            if id(layer) not in done:
                done.add(id(layer))
                object.__setattr__(layer, "call", self._wrapped(path, layer.call))
        return self

    def _wrapped(self, path: str, original: Callable[..., Any]) -> Callable[..., Any]:
        from tensorflow import executing_eagerly as eager

        @functools.wraps(original)  # Keras asks for its signature
        def call(*args: Any, **kwargs: Any) -> Any:
            if not eager():  # Keras asks for shapes alone
                return original(*args, **kwargs)
            self.enter(path, [*args, *(v for k, v in kwargs.items() if k != "training")])
            result = original(*args, **kwargs)
            self.leave(path, result)
            return result

        return call

    def __exit__(self, *error: object) -> None:
        for layer in self.layers.values():
            vars(layer).pop("call", None)
