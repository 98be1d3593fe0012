"""Loops over tensors as TensorFlow's functions write them: PyTorch runs them eagerly."""

import torch


def map_structure(f, *trees):
    """The results of ``f`` for the tensors of a structure of lists, tuples and dicts, in a structure like the first."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: map_structure(f, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(map_structure(f, *parts) for parts in zip(*trees)))
    if isinstance(first, (list, tuple)):
        return type(first)(map_structure(f, *parts) for parts in zip(*trees))
    return f(*trees)


def flatten_structure(tree):
    """The values of a structure of lists, tuples and dicts; dicts in the order of their keys."""
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in flatten_structure(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in flatten_structure(part)]
    return [tree]


def as_tensors(tree):
    """A structure whose numbers are tensors, of TensorFlow's types."""
    kinds = {bool: torch.bool, int: torch.int32, float: torch.float32}
    return map_structure(lambda x: torch.tensor(x, dtype=kinds[type(x)]) if type(x) in kinds else x, tree)


def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Call ``body`` with the loop's variables, for new ones, as long as ``cond`` says so."""
    count, loop_vars = 0, as_tensors(loop_vars)
    while (maximum_iterations is None or count < maximum_iterations) and cond(*loop_vars):
        count, loop_vars = count + 1, as_tensors(body(*loop_vars))
    return loop_vars


def map_fn(fn, elems):
    """The results of ``fn`` for the entries along the first axis of a tensor, or of a structure of them, stacked."""
    count = len(flatten_structure(elems)[0])
    results = [as_tensors(fn(map_structure(lambda x, i=i: x[i], elems))) for i in range(count)]
    return map_structure(lambda *parts: torch.stack(parts), *results)


def fold(fn, elems, initializer=None, reverse=False):
    """The last value of ``value = fn(value, elem)`` over the entries along the first axis."""
    order = list(range(len(flatten_structure(elems)[0])))
    order = order[::-1] if reverse else order
    value = as_tensors(initializer)
    if initializer is None:
        value, order = map_structure(lambda x: x[order[0]], elems), order[1:]
    for i in order:
        value = as_tensors(fn(value, map_structure(lambda x, i=i: x[i], elems)))
    return value


def scan(fn, elems, initializer=None, reverse=False):
    """All values of ``value = fn(value, elem)`` over the entries along the first axis, stacked in their order."""
    order = list(range(len(flatten_structure(elems)[0])))
    order = order[::-1] if reverse else order
    value, values = as_tensors(initializer), []
    if initializer is None:
        value = map_structure(lambda x: x[order[0]], elems)
        values, order = [value], order[1:]
    for i in order:
        value = as_tensors(fn(value, map_structure(lambda x, i=i: x[i], elems)))
        values.append(value)
    return map_structure(lambda *parts: torch.stack(parts), *(values[::-1] if reverse else values))


class TensorArray:
    """Tensors by number, as TensorFlow's class of this name keeps them: ``write`` gives the array itself."""

    def __init__(self, size=0):
        self.items = [None] * int(size)

    def write(self, index, value):
        index = int(index)
        self.items += [None] * (index + 1 - len(self.items))
        self.items[index] = as_tensors(value)
        return self

    def read(self, index):
        return self.items[int(index)]

    def unstack(self, value):
        self.items = list(value.unbind())
        return self

    def filled(self):
        """The tensors; zeros where none was written."""
        known = next((x for x in self.items if x is not None), None)
        if known is None and self.items:
            raise ValueError("nothing was written to the TensorArray")
        return [torch.zeros_like(known) if x is None else x for x in self.items]

    def stack(self):
        return torch.stack(self.filled())

    def gather(self, indices):
        return torch.stack([self.read(i) for i in indices])

    def concat(self):
        return torch.cat(self.filled())

    def size(self):
        return len(self.items)

    def __len__(self):
        return len(self.items)


def custom_gradient(f):
    """``f(*args)`` gives its result and the function from the result's gradient to those of ``args``."""

    def call(*args):
        kept = []

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                result, grad = f(*inputs)
                kept.append((grad, isinstance(result, (list, tuple))))
                return tuple(result) if kept[0][1] else result

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx, *upstream):
                given = kept[0][0](*upstream)
                given = list(given) if isinstance(given, (list, tuple)) else [given]
                given += [None] * (len(args) - len(given))
                return tuple(given)

        return Function.apply(*args)

    return call


def pack_structure(structure, flat):
    """A structure like another, of the values that ``flatten_structure`` gives in their order."""
    values = iter(flat)

    def packed(tree):
        if isinstance(tree, dict):
            made = {key: packed(tree[key]) for key in sorted(tree)}
            return {key: made[key] for key in tree}
        if isinstance(tree, tuple) and hasattr(tree, "_fields"):
            return type(tree)(*(packed(part) for part in tree))
        if isinstance(tree, (list, tuple)):
            return type(tree)([packed(part) for part in tree])
        return next(values)

    return packed(structure)
