"""Gradients as PyTorch keeps them: summed until they are cleared, clipped together."""

import tensorflow as tf


def add_gradients(first, second):
    """The sums of two nested lists of gradients; None stands for no gradient."""
    if isinstance(second, (list, tuple)):
        return [add_gradients(a, b) for a, b in zip(first, second, strict=True)]
    if first is None or second is None:
        return first if second is None else second
    return tf.convert_to_tensor(first) + tf.convert_to_tensor(second)


def accumulate_gradients(optimizer, gradients):
    """Add to the gradients that wait for the optimizer's next step."""
    waiting = getattr(optimizer, "accumulated", None)
    optimizer.accumulated = gradients if waiting is None else add_gradients(waiting, gradients)


def apply_accumulated(optimizer, variables):
    """Step with the gradients that wait; they stay until they are cleared."""
    waiting = getattr(optimizer, "accumulated", None)
    if waiting is not None:
        optimizer.apply_gradients(zip(waiting, variables, strict=True))


def step_with_closure(optimizer, closure, variables):
    """Call the closure, which leaves its gradients with the optimizer, then step; returns the closure's loss.

    ``variables()`` is asked after the closure, which may be what builds the model.
    """
    loss = closure()
    apply_accumulated(optimizer, variables())
    return loss


def clear_gradients(optimizer):
    """Forget the gradients that wait."""
    optimizer.accumulated = None


def clip_gradients_by_norm(gradients, max_norm, norm_type=2.0):
    """Scale all gradients so that their common norm is at most ``max_norm``: (gradients, norm before)."""
    flat = [tf.convert_to_tensor(g) for g in tf.nest.flatten(gradients) if g is not None]
    if not flat:
        return gradients, 0.0
    if norm_type == float("inf"):
        norm = tf.reduce_max([tf.reduce_max(tf.abs(g)) for g in flat])
    else:
        powers = [tf.reduce_sum(tf.abs(g) ** norm_type) for g in flat]
        norm = tf.add_n(powers) ** (1.0 / norm_type)
    scale = tf.minimum(max_norm / (norm + 1e-6), 1.0)
    return tf.nest.map_structure(lambda g: None if g is None else tf.convert_to_tensor(g) * scale, gradients), norm


def clip_gradients_by_value(gradients, clip_value):
    """Every component clipped to [-clip_value, clip_value]."""
    return tf.nest.map_structure(
        lambda g: None if g is None else tf.clip_by_value(tf.convert_to_tensor(g), -clip_value, clip_value), gradients
    )


def map_gradients(change, gradients):
    """Each gradient changed by a function; parameters without gradients stay without."""
    return tf.nest.map_structure(lambda g: None if g is None else change(tf.convert_to_tensor(g)), gradients)


def dense_gradients(gradients):
    """The gradients as tensors, those of embeddings too; ``None`` where there is none."""
    return [None if g is None else tf.convert_to_tensor(g) for g in gradients or ()]


def set_requires_grad(module, flag):
    """Freeze (or unfreeze) the parameters that a layer and its layers have now, without changing how they run."""
    for layer in module._flatten_layers():
        layer.requires_grad = flag


def unfrozen_variables(module):
    """The trainable variables of a layer, without those of frozen layers."""
    frozen = set()
    for layer in module._flatten_layers():
        if not getattr(layer, "requires_grad", True):
            inner = {id(v) for child in layer._flatten_layers(include_self=False) for v in child.variables}
            frozen |= {id(v) for v in layer.variables} - inner
    return [v for v in module.trainable_variables if id(v) not in frozen]
