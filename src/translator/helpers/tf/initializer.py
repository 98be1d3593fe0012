"""Initialisers of layers that Keras builds at their first call."""

from tensorflow import keras


def initializer_attribute(layer, name):
    """The attribute with the initialiser of a layer's "weight" or "bias"."""
    kinds = {"weight": ("kernel", "depthwise", "gamma", "embeddings", "alpha"), "bias": ("bias", "beta")}[name]
    found = [f"{kind}_initializer" for kind in kinds if hasattr(layer, f"{kind}_initializer")]
    if not found:
        raise AttributeError(f"{type(layer).__name__} has no {name} that an initializer makes")
    return found[0]


def set_initializer(layer, name, initializer):
    """Have the "weight" or "bias" of a layer start from an initialiser; if it is built, it gets new values."""
    attribute, initializer = initializer_attribute(layer, name), keras.initializers.get(initializer)
    setattr(layer, attribute, initializer)
    if layer.built:
        variable = getattr(layer, attribute.removesuffix("_initializer"))
        variable.assign(initializer(variable.shape, variable.dtype))


def draw_anew(layer):
    """Draw the weights of a layer anew, as they started; one that is not built yet has none."""
    for attribute in [name for name in dir(layer) if name.endswith("_initializer")] if layer.built else []:
        variable, initializer = getattr(layer, attribute.removesuffix("_initializer"), None), getattr(layer, attribute)
        if variable is not None and initializer is not None:
            # An initializer of Keras gives the same values twice, a copy of it others.
            fresh = initializer.clone() if hasattr(initializer, "clone") else keras.initializers.get(initializer)
            variable.assign(fresh(variable.shape, variable.dtype))


def redraw(variables, initializer):
    """Give variables new values, each its own: an initialiser of Keras gives the same ones twice, a copy others."""
    for variable in variables:
        variable.assign(initializer.clone()(variable.shape, variable.dtype))


def fan_in_uniform(fan_in):
    """Even draws from within 1/sqrt(fan_in): how weights and biases of linear layers and convolutions start."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class Scaled(keras.initializers.Initializer):
    """Another initialiser's values times a factor."""

    def __init__(self, initializer, factor):
        self.initializer, self.factor = keras.initializers.get(initializer), factor

    def __call__(self, shape, dtype=None):
        return self.initializer(shape, dtype=dtype) * self.factor


def scale_initializer(layer, name, factor):
    """Have the "weight" or "bias" of a layer that is not built yet start a factor larger."""
    attribute = initializer_attribute(layer, name)
    setattr(layer, attribute, Scaled(getattr(layer, attribute), factor))


def initialize_all(model, make_initializer, min_rank=0):
    """Have all weights of a model with at least ``min_rank`` axes start from an initialiser, whether built or not.

    ``make_initializer`` is called for each weight, since a Keras initialiser gives the same values twice.
    """
    ranks = {"kernel": 2, "depthwise": 2, "recurrent": 2, "embeddings": 2, "gamma": 1, "beta": 1, "bias": 1}
    for layer in model._flatten_layers():
        for kind, rank in ranks.items():
            if rank >= min_rank and hasattr(layer, f"{kind}_initializer"):
                setattr(layer, f"{kind}_initializer", make_initializer())
    for variable in model.trainable_variables:
        if len(variable.shape) >= min_rank:
            variable.assign(make_initializer()(variable.shape, variable.dtype))
