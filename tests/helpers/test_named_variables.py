"""Variables by the names that PyTorch would give them."""

from __future__ import annotations

import torch
from tensorflow import keras

from translator.helpers.tf.named import named_variables


class Keras(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.embed = keras.layers.Embedding(7, 4)
        self.blocks = [keras.layers.Dense(4), keras.layers.LayerNormalization()]
        self.scale = self.add_weight(shape=(4,), name="scale")

    def call(self, x):  # type: ignore[no-untyped-def]
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return x * self.scale


class Torch(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(7, 4)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)])
        self.scale = torch.nn.Parameter(torch.ones(4))


def test_names_are_those_of_pytorch() -> None:
    model = Keras()
    model(keras.ops.zeros((2, 3), "int32"))
    found = dict(named_variables(model))
    assert sorted(found) == sorted(n for n, _ in Torch().named_parameters())
    assert {id(v) for v in found.values()} == {id(v) for v in model.trainable_variables}
