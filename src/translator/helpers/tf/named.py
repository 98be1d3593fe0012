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

    if isinstance(layer, keras.Sequential) or isinstance(vars(layer).get("layers"), (list, tuple)):
        # The steps of a Sequential.
        names = getattr(layer, "names", range(len(layer.layers)))
        children = dict(zip(names, layer.layers, strict=True))
    else:
        children = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    for name, value in children.items():
        yield from below(value, name)


PYTORCH_NAMES = {"kernel": "weight", "gamma": "weight", "embeddings": "weight", "beta": "bias"}


def named_variables(model):
    """(name, variable) for each trainable variable, named as PyTorch names parameters: "blocks.0.fc.weight"."""
    wanted, seen = {id(v) for v in model.trainable_variables}, set()
    for path, layer in named_layers(model):
        below = {id(v) for child in layer._flatten_layers(include_self=False) for v in child.variables}
        own = {id(value): name for name, value in vars(layer).items()}
        for variable in layer.trainable_variables:
            if id(variable) in wanted and id(variable) not in below and id(variable) not in seen:
                seen.add(id(variable))
                name = own.get(id(variable), variable.name)
                yield f"{path}.{PYTORCH_NAMES.get(name.lstrip('_'), name)}".lstrip("."), variable
