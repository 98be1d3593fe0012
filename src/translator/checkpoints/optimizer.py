"""The state of an optimizer, in a checkpoint of either side: what moves, and why not where it does not.

PyTorch keeps a dict for each parameter, by its number in the groups. Keras keeps one list: the iteration, the learning
rate, then the arrays of each variable in turn. The moments have the axes of the weights, and go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .arrays import Stored
from .linking import to_keras, to_torch
from .plan import Link, Plan

KEYS = ("optimizer", "optimizer_state_dict", "optimizer_state", "optim", "optimizer_states", "opt")
"""Where training programs keep it."""
AT = "optimizer/vars"
"""Where it stands in a Keras file."""
SETTINGS = "xlate/@optimizer"
"""Where the settings of PyTorch's groups are kept in a Keras file, as JSON in bytes."""
STATE, OPTIMIZER = "state_dict", "optimizer"
"""The keys of a training checkpoint that is written."""


class Unknown(Exception):
    """Why a state cannot be converted, in words."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One array for each parameter, under its name in PyTorch."""

    torch: str
    scale: str = ""
    """``lr`` or ``-lr``: what Keras's is a multiple of."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An optimizer that both sides have. Slots of one block stand together for each variable in Keras's list."""

    name: str
    blocks: tuple[tuple[Slot, ...], ...]
    optional: tuple[Slot, ...]
    """Slots that stand after those, each in a block of its own, where a setting asks for it."""
    marks: frozenset[str]
    """Settings of a group by which PyTorch's is known."""
    settings: Mapping[str, Any]
    """What PyTorch needs to go on, as Keras has it by default."""
    given: Callable[[Mapping[str, Any]], dict[str, Any]]
    """The same from the settings of Keras's optimizer."""


def _adam(config: Mapping[str, Any]) -> dict[str, Any]:
    betas = (config["beta_1"], config["beta_2"])
    return {"betas": betas, "eps": config["epsilon"], "amsgrad": bool(config.get("amsgrad"))}


ADAM: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0.0, "amsgrad": False}
KINDS = {
    "adam": Kind("adam", ((Slot("exp_avg"), Slot("exp_avg_sq")),), (Slot("max_exp_avg_sq"),),
                 frozenset({"betas", "amsgrad"}), ADAM, _adam),
    "adamw": Kind("adamw", ((Slot("exp_avg"), Slot("exp_avg_sq")),), (Slot("max_exp_avg_sq"),),
                  frozenset({"betas", "amsgrad"}), {**ADAM, "weight_decay": 0.004, "decoupled_weight_decay": True},
                  lambda c: {**_adam(c), "weight_decay": c.get("weight_decay") or 0.0}),
    "sgd": Kind("sgd", (), (Slot("momentum_buffer", "-lr"),), frozenset({"momentum", "dampening", "nesterov"}),
                {"momentum": 0.0, "dampening": 0, "weight_decay": 0.0, "nesterov": False},
                lambda c: {"momentum": c["momentum"], "nesterov": c["nesterov"]}),
    "rmsprop": Kind("rmsprop", ((Slot("square_avg"),),), (Slot("momentum_buffer", "lr"), Slot("grad_avg")),
                    frozenset({"alpha", "centered"}),
                    {"alpha": 0.9, "eps": 1e-7, "momentum": 0.0, "centered": False, "weight_decay": 0.0},
                    lambda c: {"alpha": c["rho"], "eps": c["epsilon"], "momentum": c["momentum"],
                               "centered": c["centered"]}),
    "adagrad": Kind("adagrad", ((Slot("sum"),),), (), frozenset({"lr_decay", "initial_accumulator_value"}),
                    {"lr_decay": 0, "eps": 1e-7, "weight_decay": 0.0, "initial_accumulator_value": 0.1},
                    lambda c: {"eps": c["epsilon"], "initial_accumulator_value": c["initial_accumulator_value"]}),
    "adadelta": Kind("adadelta", ((Slot("square_avg"), Slot("acc_delta")),), (), frozenset({"rho"}),
                     {"rho": 0.95, "eps": 1e-7, "weight_decay": 0.0}, lambda c: {"rho": c["rho"], "eps": c["epsilon"]}),
    "adamax": Kind("adamax", ((Slot("exp_avg"), Slot("exp_inf")),), (), frozenset({"betas"}),
                   {"betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0.0},
                   lambda c: {"betas": (c["beta_1"], c["beta_2"]), "eps": c["epsilon"]}),
}  # fmt: skip
"""By the names that Keras gives them."""


def found_in(held: Any) -> Mapping[Any, Any] | None:
    """The state dict of an optimizer in what a checkpoint of PyTorch's holds."""
    if not isinstance(held, Mapping):
        return None
    for key in (*(k for k in KEYS if k in held), *held):
        value = held[key]
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, Mapping) and {"state", "param_groups"} <= set(value):
            return value
    return None


# -- to Keras ------------------------------------------------------------------------------------------


def to_keras_arrays(plan: Plan, state: Mapping[Any, Any], group_of: dict[str, str]) -> list[Stored]:
    """The arrays of a Keras file for a state of PyTorch's.

    Args:
        group_of: takes the name of the optimizer in, under its path.

    Raises:
        Unknown: Keras has no such optimizer, or it is not clear which array belongs to which weight.
    """
    groups = [g for g in state["param_groups"] if isinstance(g, Mapping)]
    of = _by_parameter(plan, groups, state["state"])
    used = {slot for entry in of.values() for slot in entry}
    kind = _kind_of(groups, used)
    rates = {g["lr"] for g in groups}
    if len(rates) > 1:
        raise Unknown(f"its groups have different learning rates ({', '.join(map(str, sorted(rates)))}), Keras has one")
    rate = float(rates.pop())
    out = [_scalar(f"{AT}/0", "int64", _step(of)), _scalar(f"{AT}/1", "float64", rate)]
    blocks = [*kind.blocks, *((slot,) for slot in kind.optional if slot.torch in used)]
    links = [_link_of(plan, path) for path in plan.variables]
    for block in blocks if used else ():
        for link in links:
            for slot in block:
                out.append(_keras_array(f"{AT}/{len(out)}", link, of, slot, rate))
    group_of["optimizer"] = kind.name
    out.append(_kept(kind.name, groups, of))
    return out


def _kind_of(groups: list[Mapping[Any, Any]], slots: set[str]) -> Kind:
    first = groups[0] if groups else {}
    fits = [kind for kind in KINDS.values() if kind.marks <= set(first)]
    if not fits or "momentum_decay" in first or "lambd" in first:
        raise Unknown(f"Keras has no optimizer with these settings: {', '.join(sorted(map(str, first)))}")
    best = max(len(kind.marks) for kind in fits)
    found = [kind for kind in fits if len(kind.marks) == best]
    known = {slot.torch for slot in (*(s for block in found[0].blocks for s in block), *found[0].optional)}
    if slots - known - {"step"}:
        raise Unknown(f"{found[0].name} in Keras keeps no {', '.join(sorted(slots - known - {'step'}))}")
    return found[-1] if first.get("decoupled_weight_decay") else found[0]


def _by_parameter(
    plan: Plan, groups: list[Mapping[Any, Any]], state: Mapping[Any, Any]
) -> dict[str, Mapping[str, Any]]:
    """The entries of each parameter by its name."""
    numbers = [n for group in groups for n in group["params"]]
    named = [n for group in groups for n in group.get("param_names", ())]
    all_, trained = [name for name, _ in plan.parameters], [name for name, learns in plan.parameters if learns]
    if len(named) == len(numbers):
        names = named
    elif len(groups) > 1:
        raise Unknown(f"its {len(groups)} groups do not name their parameters: give the optimizer named_parameters()")
    elif len(numbers) in (len(all_), len(trained)):
        names = all_ if len(numbers) == len(all_) else trained
    else:
        raise Unknown(f"it moves {len(numbers)} parameters, and the model has {len(all_)}")
    held = {name: state.get(number, {}) for name, number in zip(names, numbers, strict=True)}
    return {name: {k: v for k, v in entry.items() if v is not None} for name, entry in held.items()}


def _step(of: Mapping[str, Mapping[str, Any]]) -> int:
    """How many steps were made: the most that a parameter says."""
    steps = [entry["step"] for entry in of.values() if "step" in entry]
    return max((int(s.load()) if isinstance(s, Stored) else int(s) for s in steps), default=0)


def _link_of(plan: Plan, path: str) -> Link:
    for link in plan.links:
        if path in link.keras:
            return link
    raise Unknown(f"the variable {path} has no partner")


def _keras_array(name: str, link: Link, of: Mapping[str, Mapping[str, Any]], slot: Slot, rate: float) -> Stored:
    found = [next((of[n][slot.torch] for n in names if slot.torch in of.get(n, ())), None) for names in link.torch]
    given = [one for one in found if isinstance(one, Stored)]
    for one, shape in zip(given, link.torch_shapes, strict=False):
        if one.shape != shape:
            raise Unknown(f"{slot.torch} of {link.torch[0][0]} is {list(one.shape)}, the weight {list(shape)}")
    dtype = given[0].dtype if given else "float32"

    def load() -> Any:
        import numpy as np

        if not given:  # a parameter that never moved
            return np.zeros(link.keras_shape, dtype)
        arrays = [one.load() for one in given]
        if link.via.startswith("bias "):  # both of PyTorch's biases have the gradients of Keras's one
            arrays = [arrays[0], np.zeros_like(arrays[0])]
        return _scaled(to_keras(link, arrays), slot, rate)

    return Stored(name, dtype, link.keras_shape, load)


def _scaled(array: Any, slot: Slot, rate: float, *, back: bool = False) -> Any:
    if not slot.scale:
        return array
    factor = array.dtype.type(-rate if slot.scale == "-lr" else rate)
    return array / factor if back else array * factor


def _scalar(name: str, dtype: str, value: float) -> Stored:
    import numpy as np

    return Stored(name, dtype, (), lambda: np.asarray(value, dtype))


def _kept(name: str, groups: list[Mapping[Any, Any]], of: Mapping[str, Mapping[str, Any]]) -> Stored:
    """PyTorch's settings, for the way back."""
    import numpy as np

    names = iter(of)
    plain = [
        {"settings": {k: v for k, v in g.items() if k != "params" and _is_plain(v)}, "params": g["params"],
         "names": [next(names) for _ in g["params"]]}
        for g in groups
    ]  # fmt: skip
    steps = [e["step"] for e in of.values() if "step" in e]
    step = steps[0].dtype if steps and isinstance(steps[0], Stored) else "int" if steps else "float32"
    data = json.dumps({"kind": name, "groups": plain, "step": step}).encode()
    return Stored(SETTINGS, "uint8", (len(data),), lambda: np.frombuffer(data, "uint8"))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


# -- to PyTorch ----------------------------------------------------------------------------------------

Columns = list[tuple[Slot, list[Stored]]]
"""The arrays of each slot, in the order of Keras's variables."""


def to_torch_state(
    plan: Plan, held: Mapping[str, Stored], name: str, config: Mapping[str, Any] | None
) -> tuple[dict[str, Any], str]:
    """A state dict of PyTorch's for the arrays of a Keras file, and what the user should know of it.

    Args:
        name: what the file calls the optimizer.
        config: its settings, where the file describes it.

    Raises:
        Unknown: PyTorch has no such optimizer, or the arrays are not those of this model's weights.
    """
    kept = _settings(held)
    kind = KINDS.get(kept["kind"] if kept else name.replace("_", "").rstrip("0123456789").lower())
    if kind is None:
        raise Unknown(f"the file calls it {name!r}, which PyTorch does not have")
    arrays = [held[f"{AT}/{i}"] for i in range(sum(key.startswith(f"{AT}/") for key in held))]
    rate = float(arrays[1].load()) if len(arrays) > 1 and arrays[1].shape == () else None
    links = [_link_of(plan, path) for path in plan.variables]
    columns = _columns(kind, arrays[1 if rate is None else 2 :], links, {**(config or {}), **_first(kept)})
    groups, note = _groups(kind, kept, config, rate, [name for name, _ in plan.parameters])
    numbers = {name: number for group in groups for name, number in zip(group["names"], group["params"], strict=True)}
    rate = float(groups[0]["lr"])
    if not rate and any(slot.scale for slot, _ in columns):
        raise Unknown("its learning rate is 0, by which Keras's momentum was multiplied")
    state: dict[int, dict[str, Any]] = {}
    step = int(arrays[0].load())
    for slot, column in columns:
        for link, stored in zip(links, column, strict=True):
            for number, names in enumerate(link.torch):
                at = next((numbers[n] for n in names if n in numbers), None)
                if at is None:
                    raise Unknown(f"its groups lack {names[0]}")
                entry = state.setdefault(at, {} if kind.name == "sgd" else {"step": _step_of(step, kept)})
                entry[slot.torch] = _torch_array(link, number, stored, slot, rate)
    for group in groups:
        group.pop("names")
    return {"state": dict(sorted(state.items())), "param_groups": groups}, note


def _settings(held: Mapping[str, Stored]) -> Any:
    """PyTorch's settings as `_kept` wrote them, if they are there."""
    if SETTINGS not in held:
        return None
    kept = None
    try:
        kept = json.loads(bytes(held[SETTINGS].load()))
        known = kept["kind"] in KINDS and kept["step"] in ("int", "float32", "float64", "int64")
        good = known and all(isinstance(n, str) for g in kept["groups"] for n in g["names"])
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        raise Unknown("the settings that are kept of it are damaged")
    return kept


def _first(kept: Any) -> dict[str, Any]:
    return dict(kept["groups"][0]["settings"]) if kept else {}


def _columns(kind: Kind, left: list[Stored], links: list[Link], config: Mapping[str, Any]) -> Columns:
    blocks = list(kind.blocks)
    extra, rest = divmod(len(left), len(links) or 1)
    extra -= sum(map(len, blocks))
    optional = [(slot,) for slot in kind.optional]
    if 0 < extra < len(optional):  # which of them?
        asked = {"grad_avg": "centered", "momentum_buffer": "momentum"}
        optional = [(slot,) for slot in kind.optional if config.get(asked[slot.torch])]
    if rest or (extra and extra != len(optional)):
        raise Unknown(f"it has {len(left)} arrays for {len(links)} weights")
    out: Columns = []
    for block in (*blocks, *(optional if extra else ())):
        count = len(block) * len(links)
        out += [(slot, left[i : count : len(block)]) for i, slot in enumerate(block)]
        left = left[count:]
    for slot, column in out:
        for stored, link in zip(column, links, strict=True):
            if stored.shape != link.keras_shape:
                raise Unknown(f"{slot.torch} of {link.keras[0]} is {list(stored.shape)}, not {list(link.keras_shape)}")
    return out


def _groups(
    kind: Kind, kept: Any, config: Mapping[str, Any] | None, rate: float | None, names: list[str]
) -> tuple[list[dict[str, Any]], str]:
    """The groups of parameters, each with their ``names`` too."""
    import numpy as np

    if kept:
        groups = [{**g["settings"], "params": g["params"], "names": g["names"]} for g in kept["groups"]]
        for group in groups:
            group |= {k: tuple(v) for k, v in group.items() if k == "betas"}
            if rate is not None and np.float32(group["lr"]) != np.float32(rate):
                group["lr"] = rate
        return groups, ""
    settings = {"lr": 0.001 if rate is None else rate, **kind.settings}
    note = "" if config else "the file does not tell the optimizer's settings: they are Keras's defaults"
    try:
        settings |= kind.given(config) if config else {}
    except KeyError as error:
        raise Unknown(f"its description lacks {error}") from None
    if rate is None:
        note = f"{note}; " if note else note
        note += "its learning rate follows a schedule: set it"
    return [{**settings, "params": list(range(len(names))), "names": names}], note


def _step_of(step: int, kept: Any) -> Any:
    dtype = kept["step"] if kept else "float32"
    return step if dtype == "int" else _scalar(f"{OPTIMIZER}: step", dtype, step)


def _torch_array(link: Link, number: int, stored: Stored, slot: Slot, rate: float) -> Stored:
    def load() -> Any:
        arrays = to_torch(link, stored.load())
        array = arrays[0 if link.via.startswith("bias ") else number]
        return _scaled(array, slot, rate, back=True)

    name = f"{OPTIMIZER}: {slot.torch} of {link.torch[number][0]}"
    return Stored(name, stored.dtype, link.torch_shapes[number], load)
