"""What Keras's `fit` needs to train as a loop of PyTorch's does."""

import tensorflow as tf
from tensorflow import keras


class Training(keras.Model):
    """A model and its loss for `fit`.

    ``loss`` is called with the prediction and the target as they are. ``sums`` are functions of the loss, the
    prediction and the target, whose values are added up over the batches of an epoch: callbacks find them in ``logs``,
    and the loss of the last batch as ``batch_loss``.
    """

    def __init__(self, model, loss, sums=None):
        super().__init__()
        self.model = model
        self.criterion = lambda prediction, target: loss(prediction, target)  # whose variables are not to be trained
        self.sums = sums or {}
        self.batch_loss = keras.metrics.Sum("batch_loss", "float64")
        self.totals = [keras.metrics.Sum(name, "float64") for name in self.sums]

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch, which is counted on the way."""
        loss = self.criterion(y_pred, y)
        self.batch_loss.reset_state()
        self.batch_loss.update_state(loss)
        for total in self.totals:
            total.update_state(self.sums[total.name](loss, y_pred, y))
        return loss


def loader_dataset(loader):
    """The batches of a `DataLoader` as a `tf.data.Dataset`: `fit` goes through the loader once in each epoch."""
    if loader.batch_sampler is None:
        raise TypeError("`fit` takes batches of a dataset with a length")
    first = tf.nest.map_structure(tf.convert_to_tensor, tuple(loader.load([0])))
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), first)
    batches = tf.data.Dataset.from_generator(lambda: map(tuple, loader), output_signature=specs)
    return batches.apply(tf.data.experimental.assert_cardinality(len(loader)))
