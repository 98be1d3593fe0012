"""Functions that bring their own gradient."""

import tensorflow as tf


class FunctionContext:
    """What `Function.forward` keeps for `Function.backward`."""

    def __init__(self, needs_input_grad):
        self.needs_input_grad = needs_input_grad
        self.saved_tensors = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors


class Function:
    """Base of operations with a gradient of their own.

    Subclasses define static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``; the latter returns
    one gradient (or None) for each argument. `apply` runs the operation so that a `tf.GradientTape` sees it.
    """

    @classmethod
    def apply(cls, *args):
        args = [tf.convert_to_tensor(a) if hasattr(a, "shape") and hasattr(a, "dtype") else a for a in args]
        places = [i for i, a in enumerate(args) if tf.is_tensor(a)]
        ctx = FunctionContext(tuple(tf.is_tensor(a) and a.dtype.is_floating for a in args))

        @tf.custom_gradient
        def run(*tensors):
            values = list(args)
            for place, tensor in zip(places, tensors):
                values[place] = tensor
            outputs = cls.forward(ctx, *values)

            def gradient(*upstream):
                grads = cls.backward(ctx, *upstream)
                grads = grads if isinstance(grads, tuple) else (grads,)
                return [grads[place] for place in places]

            return outputs, gradient

        return run(*[args[place] for place in places])
