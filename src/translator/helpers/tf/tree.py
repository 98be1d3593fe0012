"""Nested structures of lists, tuples and dicts taken apart and put together, in PyTorch's order."""

import collections

STRUCTURES = (list, tuple, dict, collections.OrderedDict, collections.defaultdict, collections.deque)


def is_inner(tree):
    """Whether something is a structure: a list, tuple, named tuple, deque or dict; ``None`` is a leaf."""
    named = isinstance(tree, tuple) and hasattr(tree, "_fields")
    return named or type(tree) in STRUCTURES


def tree_flatten(tree, is_leaf=None):
    """The leaves of a structure, dicts in their own order, and the structure to put others into."""
    return tree_leaves(tree, is_leaf), tree_map(lambda leaf: TreeLeaf, tree, is_leaf=is_leaf)


class TreeLeaf:
    """Stands for a leaf in a structure."""


def tree_leaves(tree, is_leaf=None):
    """The leaves of a structure as a list."""
    if not is_inner(tree) or (is_leaf is not None and is_leaf(tree)):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    return [leaf for part in parts for leaf in tree_leaves(part, is_leaf)]


def tree_unflatten(leaves, treespec):
    """A structure from `tree_flatten` with these leaves."""
    leaves = list(leaves)
    places = tree_leaves(treespec)
    if len(leaves) != len(places):
        raise ValueError(f"the structure has {len(places)} leaves, and {len(leaves)} are given")
    rest = iter(leaves)
    return tree_map(lambda place: next(rest), treespec)


def tree_map(func, tree, *rests, is_leaf=None):
    """A structure like ``tree`` with ``func`` of its leaves, and of those at the same places in ``rests``."""
    if not is_inner(tree) or (is_leaf is not None and is_leaf(tree)):
        return func(tree, *rests)
    if isinstance(tree, dict):
        if any(rest.keys() != tree.keys() for rest in rests):
            raise ValueError("dicts with different keys")
        items = [(k, tree_map(func, v, *(rest[k] for rest in rests), is_leaf=is_leaf)) for k, v in tree.items()]
        factory = (tree.default_factory,) if isinstance(tree, collections.defaultdict) else ()
        return type(tree)(*factory, items)
    if any(type(rest) is not type(tree) or len(rest) != len(tree) for rest in rests):
        raise ValueError("structures of different kinds or lengths")
    parts = [tree_map(func, *group, is_leaf=is_leaf) for group in zip(tree, *rests)]
    if isinstance(tree, collections.deque):
        return collections.deque(parts, maxlen=tree.maxlen)
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def tree_map_only(kind, func, tree, is_leaf=None):
    """A structure like ``tree`` with ``func`` of those leaves that are of a kind: a class, classes or a predicate."""
    chosen = kind if callable(kind) and not isinstance(kind, type) else lambda leaf: isinstance(leaf, kind)
    return tree_map(lambda leaf: func(leaf) if chosen(leaf) else leaf, tree, is_leaf=is_leaf)
