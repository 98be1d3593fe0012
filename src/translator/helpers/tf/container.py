"""Containers of layers that behave as PyTorch's."""

import functools

import tensorflow as tf
from tensorflow import keras


def clone_layer(layer, copies=None):
    """A deep copy of a layer: the same class and settings, new variables with equal values, sublayers copied too.

    Layers that have no variables yet make them together with the copy's, equal.

    Functions, initialisers and other plain values are shared. A random-seed generator is made anew.
    """
    copies = {} if copies is None else copies

    def copied(value):
        if isinstance(value, (keras.layers.Layer, keras.Variable, list, dict, keras.random.SeedGenerator)):
            if id(value) not in copies:
                copies[id(value)] = copy_new(value)
            return copies[id(value)]
        return tuple(copied(v) for v in value) if type(value) is tuple else value

    def copy_new(value):
        if isinstance(value, keras.layers.Layer):
            return clone_layer(value, copies)
        if isinstance(value, keras.Variable):
            # A copied value: Keras would adopt the variable itself.
            start = tf.identity(value.value)
            return keras.Variable(start, dtype=value.dtype, trainable=value.trainable, name=value.name)
        if isinstance(value, list):
            return [copied(v) for v in value]
        if isinstance(value, dict):
            return {k: copied(v) for k, v in value.items()}
        return keras.random.SeedGenerator()

    if type(layer) in (keras.Sequential, keras.Model):
        result = keras.models.clone_model(layer)
        result.set_weights(layer.get_weights())
        return result
    result = type(layer).__new__(type(layer))
    base = keras.Model if isinstance(layer, keras.Model) else keras.layers.Layer
    base.__init__(result, trainable=layer.trainable, dtype=layer.dtype_policy)
    # What Keras itself keeps on every layer is fresh in the result; the rest is set as an attribute, hence tracked.
    own = set(vars(result)) - {"autocast", "_input_spec", "_supports_masking", "activity_regularizer"}
    for name, value in vars(layer).items():
        if name not in own:
            setattr(result, name, copied(value))
    result.built = layer.built
    if not layer.built and not list(layer._flatten_layers(include_self=False)):
        build_together(layer, result)
        build_together(result, layer)
    return result


def build_together(first, second):
    """When the first layer makes its variables, the second makes its own, with the same values."""
    build = first.build

    @functools.wraps(build)
    def build_both(*args, **kwargs):
        build(*args, **kwargs)
        if not second.built:
            second.build(*args, **kwargs)
            for variable, value in zip(second.variables, first.variables, strict=True):
                if tf.as_dtype(variable.dtype).is_floating:
                    variable.assign(value)

    first.build = build_both


class Sequential(keras.layers.Layer):
    """Layers or plain functions called one after the other.

    Takes the steps as arguments, or one dict of names and steps; named steps are attributes too. Steps can be indexed
    by position or name, sliced (giving a Sequential that shares them), iterated, replaced, appended and inserted.
    A layer that is set as an attribute becomes the last step. An empty container returns its input. Several inputs go
    to the first step; each later step gets one value.
    A name that Keras reserves (``input``, ``name``, ...) is reached as ``seq["input"]``.
    """

    def __init__(self, *layers, **kwargs):
        # The steps convert their inputs themselves.
        super().__init__(autocast=False, **kwargs)
        if len(layers) == 1 and isinstance(layers[0], dict):
            self.names = list(layers[0])
            layers = layers[0].values()
        else:
            self.names = [str(i) for i in range(len(layers))]
        self.layers = list(layers)

    def __call__(self, x, *others, **kwargs):
        if others:
            kwargs["others"] = others
        return super().__call__(x, **kwargs)

    def call(self, x, others=()):
        for i, layer in enumerate(self.layers):
            x = layer(x, *others) if i == 0 else layer(x)
        return x

    def __getattr__(self, name):
        names = self.__dict__.get("names", ())
        if name in names:
            return self.layers[names.index(name)]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name, value):
        if name in self.__dict__.get("names", ()):
            self[name] = value
        elif isinstance(value, keras.layers.Layer) and "layers" in self.__dict__:
            self.add_module(name, value)
        else:
            super().__setattr__(name, value)

    def __len__(self):
        return len(self.layers)

    def __bool__(self):
        return True

    def __iter__(self):
        return iter(self.layers)

    def position(self, key):
        """The index of a name or of a possibly negative number."""
        if isinstance(key, str):
            return self.names.index(key)
        if not -len(self) <= key < len(self):
            raise IndexError(f"index {key} is out of range")
        return key % len(self)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return Sequential(dict(zip(self.names[key], self.layers[key], strict=True)))
        return self.layers[self.position(key)]

    def edit(self, index, name=None, layer=None, remove=False):
        """Remove the step at ``index`` and/or put ``layer`` there; Keras allows it after build only when unlocked."""
        locked = self._tracker.locked
        self._tracker.unlock()
        if remove:
            if isinstance(self.layers[index], keras.layers.Layer):
                del self.layers[index]
            else:
                list.pop(self.layers, index)
            del self.names[index]
        if name is not None:
            self.layers.insert(index, layer)
            self.names.insert(index, name)
        if locked:
            self._lock_state()

    def __setitem__(self, key, layer):
        index = self.position(key)
        self.edit(index, self.names[index], layer, remove=True)

    def __delitem__(self, key):
        positions = range(len(self))[key] if isinstance(key, slice) else [self.position(key)]
        numbered = self.names == [str(i) for i in range(len(self))]
        for index in sorted(positions, reverse=True):
            self.edit(index, remove=True)
        if numbered:
            self.names = [str(i) for i in range(len(self))]

    def add_module(self, name, layer):
        """Append a named step, or replace the one of that name."""
        if name in self.names:
            self[name] = layer
        else:
            self.edit(len(self), name, layer)

    def append(self, layer):
        """Add a step at the end and return the container."""
        self.edit(len(self), str(len(self)), layer)
        return self

    def extend(self, layers):
        """Add several steps at the end and return the container."""
        for layer in layers:
            self.append(layer)
        return self

    def insert(self, index, layer):
        """Put a step before ``index``, counting from the end if negative; numbered steps are renumbered."""
        index = index % len(self) if index < 0 else index
        self.edit(index, str(index), layer)
        self.names = [str(i) for i in range(len(self))]
        return self
