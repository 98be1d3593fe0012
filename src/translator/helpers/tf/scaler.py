"""Loss scaling, so that small gradients survive half precision."""

import tensorflow as tf


class GradScaler:
    """Multiplies the loss by a scale that grows while gradients stay finite and shrinks where they do not.

    Half precision itself is chosen with `keras.mixed_precision.set_global_policy` before the model is made.
    """

    def __init__(
        self, device="cuda", init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
        enabled=True,
    ):  # fmt: skip
        self.enabled = enabled
        self.factor = init_scale
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self.growth_tracker = 0
        self.finite = {}

    def scale(self, outputs):
        """The loss (or each of several) times the scale."""
        if not self.enabled:
            return outputs
        return tf.nest.map_structure(lambda x: x * tf.cast(self.factor, x.dtype), outputs)

    def unscale(self, optimizer, gradients):
        """The gradients divided by the scale; remembers whether all of them are finite."""
        if not self.enabled or gradients is None:
            return gradients
        dense = tf.nest.map_structure(lambda g: None if g is None else tf.convert_to_tensor(g), gradients)
        dense = tf.nest.map_structure(lambda g: None if g is None else g / tf.cast(self.factor, g.dtype), dense)
        known = [tf.reduce_all(tf.math.is_finite(g)) for g in tf.nest.flatten(dense) if g is not None]
        self.finite[id(optimizer)] = bool(tf.reduce_all(known))
        return dense

    def step(self, optimizer, gradients, variables):
        """Take the optimizer's step, unless a gradient is not finite."""
        if gradients is None:
            return
        if self.enabled and id(optimizer) not in self.finite:
            gradients = self.unscale(optimizer, gradients)
        if self.finite.get(id(optimizer), True):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def update(self, new_scale=None):
        """Shrink the scale after a step that was left out, or grow it after many that were not."""
        found, self.finite = self.finite, {}
        if not self.enabled:
            return
        if new_scale is not None:
            self.factor = float(new_scale)
        elif not all(found.values()):
            self.factor, self.growth_tracker = self.factor * self.backoff_factor, 0
        else:
            self.growth_tracker += 1
            if self.growth_tracker == self.growth_interval:
                self.factor, self.growth_tracker = self.factor * self.growth_factor, 0

    def get_scale(self):
        """The scale at present; 1 where scaling is switched off."""
        return self.factor if self.enabled else 1.0

    def is_enabled(self):
        return self.enabled

    def state_dict(self):
        """What `load_state_dict` needs to go on from here."""
        if not self.enabled:
            return {}
        return {"scale": self.factor, "growth_tracker": self.growth_tracker}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        if self.enabled:
            self.factor, self.growth_tracker = state["scale"], state["growth_tracker"]
