"""Layers by name: containers that are dicts, and walks over the attributes that hold layers."""

from tensorflow import keras


class ModuleDict(keras.layers.Layer):
    """A dict of layers that is a layer itself; each layer is an attribute of its name, too."""

    def __init__(self, modules=None, **kwargs):
        super().__init__(**kwargs)
        self.names = []
        for name, layer in (modules or {}).items():
            self.add_module(name, layer)

    def add_module(self, name, layer):
        self.names.append(name)
        setattr(self, name, layer)

    def keys(self):
        return list(self.names)

    def values(self):
        return [getattr(self, name) for name in self.names]

    def items(self):
        return [(name, getattr(self, name)) for name in self.names]

    def __getitem__(self, name):
        return getattr(self, name)

    def __setitem__(self, name, layer):
        self.add_module(name, layer)

    def __contains__(self, name):
        return name in self.names

    def __len__(self):
        return len(self.names)

    def __iter__(self):
        return iter(list(self.names))


def named_children(layer):
    """(name, layer) for each layer that is an attribute or step of a layer, once, in the order in which they were set.

    Lists and dicts of layers count as one child.
    """
    seen = set()
    if isinstance(layer, keras.Sequential) or isinstance(vars(layer).get("layers"), (list, tuple)):
        # The steps of a Sequential.
        names = getattr(layer, "names", range(len(layer.layers)))
        children = dict(zip(names, layer.layers, strict=True))
    else:
        children = {name: value for name, value in vars(layer).items() if not name.startswith(KERAS_OWN)}
    for name, value in children.items():
        inner = value.values() if isinstance(value, dict) else value
        several = isinstance(value, (list, tuple, dict)) and any(isinstance(v, keras.layers.Layer) for v in inner)
        if (several or isinstance(value, keras.layers.Layer)) and id(value) not in seen:
            seen.add(id(value))
            yield str(name), value


KERAS_OWN = ("_layers", "_metrics", "_functional", "_tracker", "_self_")
"""Where Keras itself keeps the layers of a layer."""


def named_layers(layer, path=""):
    """(path, layer) for a layer and all below it; paths are made of attribute names and indices: "blocks.0.fc"."""
    yield path, layer

    def below(value, name):
        if isinstance(value, keras.layers.Layer):
            yield from named_layers(value, f"{path}.{name}".lstrip("."))
        elif isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                yield from below(item, f"{name}.{i}")
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from below(item, f"{name}.{key}")

    for name, value in named_children(layer):
        yield from below(value, name)


PYTORCH_NAMES = {
    "kernel": "weight", "gamma": "weight", "embeddings": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var",
}  # fmt: skip


def named_weights(model):
    """(name, variable) for each weight in the order of ``model.weights``, named as by PyTorch: "blocks.0.fc.weight"."""
    names = {}
    for path, layer in named_layers(model):
        below = {id(v) for child in layer._flatten_layers(include_self=False) for v in child.variables}
        own = {id(value): name for name, value in vars(layer).items()}
        for variable in layer.weights:
            if id(variable) not in below and id(variable) not in names:
                name = own.get(id(variable), variable.name).lstrip("_")
                names[id(variable)] = f"{path}.{PYTORCH_NAMES.get(name, name)}".lstrip(".")
    taken = set()
    for variable in model.weights:
        name = names.get(id(variable), variable.path)
        while name in taken:
            name += "_"
        taken.add(name)
        yield name, variable


def named_variables(model):
    """(name, variable) for each trainable variable, as `named_weights` names them."""
    trainable = {id(v) for v in model.trainable_variables}
    return ((name, variable) for name, variable in named_weights(model) if id(variable) in trainable)


def builds_itself(layer):
    """Whether a layer makes its variables by its own `build`, from the shapes alone."""
    return not hasattr(layer.build, "_is_default") or not list(layer._flatten_layers(include_self=False))


def trainable_variables(layer):
    """The trainable variables of a layer and all below it, once they exist.

    Raises:
        RuntimeError: before the first call, which makes them.
    """
    unbuilt = [inner.name for inner in layer._flatten_layers() if not inner.built and builds_itself(inner)]
    if unbuilt:
        raise RuntimeError(f"call the model on an example first: {', '.join(unbuilt[:3])} has no variables yet")
    return layer.trainable_variables
