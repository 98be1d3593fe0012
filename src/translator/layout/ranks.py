"""The ranks of tensors that inference left open: what is one with a tensor of known rank has that rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..infer.functions import bind_user
from ..values import UNKNOWN, Instance, LayoutVar, Tensor, as_tensor
from . import behaviour
from .calls import arguments, callees, comes_out, passed
from .natural import results

if TYPE_CHECKING:
    from .solve import Solver

ROUNDS = 6
"""How often ranks are handed on over all calls."""


class Ranks:
    """Ranks of the tensors of a project."""

    def __init__(self, solver: Solver) -> None:
        self.solver, self.it, self.facts = solver, solver.it, solver.facts

    def run(self) -> None:
        """What is one with a tensor of known rank has that rank: if it had not, a transpose would fail to run."""
        for _ in range(ROUNDS):
            self._rank_variables()
            if not (self._rank_calls() | self._rank_passes()):
                break

    def _rank_variables(self) -> None:
        known: dict[int, set[int]] = {}
        tensors = self.solver.tensors()
        for tensor in tensors:
            if tensor.rank is not None:
                known.setdefault(id(tensor.layout.find()), set()).add(tensor.rank)
        for tensor in tensors:
            ranks = known.get(id(tensor.layout.find()), set())
            if tensor.rank is None and len(ranks) == 1 and not tensor.layout.find().several:
                _set_rank(tensor, next(iter(ranks)))

    def _rank_calls(self) -> bool:
        """Ranks that calls hand on; whether that was news."""
        news = False
        for node, value in self.facts.values.items():
            tensor = as_tensor(value) if isinstance(node, cst.Call) else None
            if isinstance(node, cst.Call):
                news = self._rank_arguments(node) or news
            if tensor is None or not isinstance(node, cst.Call):
                continue
            if tensor.rank is not None:
                news = self._rank_parts(node, tensor.rank) or news
                continue
            # What a call of the project's functions gives has the rank that they return.
            returned = [as_tensor(r) for func, _ in callees(self.it, node) for r in func.returned]
            ranks = {t.rank if t is not None else None for t in (*returned, *self._parts(node))}
            if len(ranks) == 1 and (rank := ranks.pop()) is not None:
                _set_rank(tensor, rank)
                news = True
        return news

    def _rank_passes(self) -> bool:
        """What a layer for channels gives in a container has the rank of what it takes; whether that was news."""
        news = False
        for item in self.solver.passes():
            if isinstance(item.layer, Instance) and behaviour.of_callee(self.it, item.layer) == "channels":
                news |= _same_rank(as_tensor(item.given), as_tensor(item.result))
        for node in self.facts.exits:
            for inner in comes_out(self.it, node):
                news |= _same_rank(inner, as_tensor(self.facts.value(node)))
        return news

    def _rank_arguments(self, node: cst.Call) -> bool:
        """What is passed to a parameter that is used as a tensor of some rank is of that rank."""
        news = False
        for func, bound in callees(self.it, node):
            for name, value in (bind_user(func, arguments(self.it, node), bound=bound) or {}).items():
                given, start = as_tensor(value), as_tensor(func.start.get(name, UNKNOWN))
                if given is not None and start is not None and given.rank is None and start.rank is not None:
                    _set_rank(given, start.rank)
                    news = True
        entry, first = self.facts.entries.get(node), passed(self.it, node)[:1]
        inner = as_tensor(entry.given) if entry is not None else None
        given = as_tensor(self.facts.value(first[0].value)) if first else None
        if behaviour.of_node(self.it, node) == behaviour.CARRIED:
            result = as_tensor(self.facts.value(node))
            news |= any(_same_rank(as_tensor(self.facts.value(a.value)), result) for a in node.args)
        return _same_rank(given, inner) or news

    def _parts(self, node: cst.Call) -> list[Tensor]:
        """The tensors that a call joins to one of the same rank."""
        call = self.facts.calls.get(node)
        row = behaviour.row_of(self.it, call) if call is not None else None
        return results(call.value("tensors")) if call is not None and row is not None and row.returns == "cat" else []

    def _rank_parts(self, node: cst.Call, rank: int) -> bool:
        unranked = [part for part in self._parts(node) if part.rank is None]
        for part in unranked:
            _set_rank(part, rank)
        return bool(unranked)

    def mixed_ranks(self) -> None:
        """A variable of tensors of several ranks, or of one that is not known, keeps source order."""
        ranks: dict[int, set[int | None]] = {}
        roots: dict[int, LayoutVar] = {}
        for tensor in self.solver.tensors():
            root = tensor.layout.find()
            roots[id(root)] = root
            ranks.setdefault(id(root), set()).add(tensor.rank)
        for key, found in ranks.items():
            if len(found) > 1 or None in found or roots[key].several:
                roots[key].source = True


def _set_rank(tensor: Tensor, rank: int) -> None:
    tensor.rank, tensor.dims = rank, (None,) * rank


def _same_rank(one: Tensor | None, other: Tensor | None) -> bool:
    """Give two tensors of one rank that of the one where it is known; whether that was news."""
    if one is None or other is None or (one.rank is None) == (other.rank is None):
        return False
    known, unknown = (one, other) if other.rank is None else (other, one)
    _set_rank(unknown, known.rank or 0)
    return True
