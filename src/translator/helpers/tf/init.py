"""torch.nn.init for variables (or plain tensors) whose axes stand as in PyTorch: (out, in, *kernel).

A variable is assigned to and returned; for a tensor the new value is returned.
"""

import math

import tensorflow as tf


def write(tensor, value):
    """Assign ``value`` to a variable, in its dtype; gives the variable, or the value where there is none."""
    value = tf.cast(value, tensor.dtype)
    if not hasattr(tensor, "assign"):
        return value
    tensor.assign(value)
    return tensor


def fans(tensor):
    """(fan in, fan out): the number of inputs and outputs of a unit, each times the size of the kernel."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError("Fan in and fan out need at least two axes.")
    size = math.prod(shape[2:])
    return shape[1] * size, shape[0] * size


def draw_normal(tensor, mean, std):
    """A normal sample of the tensor's shape."""
    return write(tensor, tf.random.normal(tuple(tensor.shape), mean, std, dtype=tf.as_dtype(tensor.dtype)))


def draw_uniform(tensor, low, high):
    """A uniform sample of the tensor's shape."""
    return write(tensor, tf.random.uniform(tuple(tensor.shape), low, high, dtype=tf.as_dtype(tensor.dtype)))


def calculate_gain(nonlinearity, param=None):
    """The recommended gain of an activation; ``param`` is the slope of "leaky_relu" (default 0.01)."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    linear = ("linear", "sigmoid", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)))
    if nonlinearity not in gains and nonlinearity not in linear:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains.get(nonlinearity, 1.0)


def uniform_(tensor, a=0.0, b=1.0):
    """Values from U(a, b)."""
    return draw_uniform(tensor, a, b)


def normal_(tensor, mean=0.0, std=1.0):
    """Values from N(mean, std**2)."""
    return draw_normal(tensor, mean, std)


def changeable(variable):
    """A variable, as it is. A tensor does not change: who passed it would not see the new values."""
    if not hasattr(variable, "assign"):
        raise TypeError("What is initialised here must be a variable; of a tensor, use what the function returns.")
    return variable


def constant_(tensor, val):
    """The value ``val`` everywhere."""
    return write(tensor, tf.fill(tuple(tensor.shape), tf.constant(val, tf.as_dtype(tensor.dtype))))


def ones_(tensor):
    """1 everywhere."""
    return constant_(tensor, 1)


def zeros_(tensor):
    """0 everywhere."""
    return constant_(tensor, 0)


def eye_(tensor):
    """The identity in a matrix."""
    rows, columns = tensor.shape
    return write(tensor, tf.eye(rows, columns, dtype=tf.as_dtype(tensor.dtype)))


def dirac_(tensor, groups=1):
    """A convolution kernel (out, in, *kernel) that passes its input channels on, in each of ``groups`` groups."""
    out, channels, *kernel = tensor.shape
    per_group = out // groups
    middle, count = [k // 2 for k in kernel], min(per_group, channels)
    places = [[g * per_group + i, i, *middle] for g in range(groups) for i in range(count)]
    dtype = tf.as_dtype(tensor.dtype)
    return write(tensor, tf.scatter_nd(places, tf.ones([len(places)], dtype), tuple(tensor.shape)))


def xavier_uniform_(tensor, gain=1.0):
    """U(-c, c) with c = gain sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return draw_uniform(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    """N(0, s**2) with s = gain sqrt(2 / (fan in + fan out)) (Glorot and Bengio 2010)."""
    return draw_normal(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))))


def kaiming_std(tensor, a, mode, nonlinearity):
    """gain / sqrt(fan) (He et al. 2015)."""
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Uniform values with the standard deviation gain / sqrt(fan)."""
    bound = math.sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity)
    return draw_uniform(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Normal values with the standard deviation gain / sqrt(fan)."""
    return draw_normal(tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """N(mean, std**2) without what falls outside of [a, b], by the inverse of its distribution function."""
    low, high = (math.erf((bound - mean) / std / math.sqrt(2.0)) for bound in (a, b))
    uniform = tf.random.uniform(tuple(tensor.shape), low, high, dtype=tf.float64)
    return write(tensor, tf.clip_by_value(mean + std * math.sqrt(2.0) * tf.math.erfinv(uniform), a, b))


def orthogonal_(tensor, gain=1):
    """A matrix (first axis, all others) with orthonormal rows or columns, times ``gain`` (Saxe et al. 2013)."""
    shape = tuple(tensor.shape)
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = tf.linalg.qr(tf.random.normal((max(rows, columns), min(rows, columns)), dtype=tf.float64))
    q *= tf.sign(tf.linalg.diag_part(r))
    return write(tensor, gain * tf.reshape(tf.transpose(q) if rows < columns else q, shape))


def sparse_(tensor, sparsity, std=0.01):
    """Normal values in a matrix, of which the fraction ``sparsity`` of each column is 0 (Martens 2010)."""
    rows, columns = tensor.shape
    order = tf.argsort(tf.random.uniform((rows, columns)), axis=0)
    values = tf.random.normal((rows, columns), 0.0, std, dtype=tf.as_dtype(tensor.dtype))
    return write(tensor, tf.where(order < math.ceil(sparsity * rows), tf.zeros_like(values), values))
