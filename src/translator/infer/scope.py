"""Scopes of the abstract interpretation: names to values, with Python's lookup rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..values import Func, UserClass, Value, join


@dataclass(slots=True, eq=False)
class Scope:
    """One scope. ``vars`` is flow-sensitive: it is copied at branches and joined where they meet."""

    kind: str
    """``module function class``."""
    module: str
    parent: Scope | None = None
    vars: dict[str, Value] = field(default_factory=dict)
    func: Func | None = None
    cls: UserClass | None = None
    globals: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    """Names that an import bound last: they stand for an API itself, not for a variable that holds it."""

    def lookup(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.vars and (scope is self or scope.kind != "class"):
                return scope.vars[name]
            scope = scope.parent
        return None

    def is_imported(self, name: str) -> bool:
        """Whether a name refers to what an import bound."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.vars and (scope is self or scope.kind != "class"):
                return name in scope.imported
            scope = scope.parent
        return False

    def bind_import(self, name: str, value: Value) -> None:
        self.bind(name, value)
        self.imported.add(name)

    def root(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def bind(self, name: str, value: Value) -> None:
        self.imported.discard(name)
        if name in self.globals:
            self.root().vars[name] = value
        else:
            self.vars[name] = value


def join_vars(a: dict[str, Value], b: dict[str, Value]) -> dict[str, Value]:
    """The environment after two paths meet: a name bound on one path only keeps that value."""
    out = dict(a)
    for name, value in b.items():
        mine = out.get(name)
        out[name] = value if mine is None or mine is value else join(mine, value)
    return out
