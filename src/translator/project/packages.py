"""Which distribution stands for which framework, and what comes along with it: facts, no code."""

from __future__ import annotations

from translator.model import Direction

FRAMEWORK = {
    "torch": ("torch", "pytorch", "torch-cpu", "pytorch-cpu", "pytorch-gpu"),
    "tf": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "tf-nightly", "keras", "tf-keras"),
}
"""The distributions of each framework, in pip's and conda's spelling."""

TARGET = {Direction.TORCH2TF: ("tensorflow", ">=2.18"), Direction.TF2TORCH: ("torch", ">=2.6")}
"""What the translation needs: Keras 3 comes with TensorFlow."""
CONDA_TARGET = {Direction.TORCH2TF: ("tensorflow", ">=2.18"), Direction.TF2TORCH: ("pytorch", ">=2.6")}

FRIENDS = {
    "torch": {
        "torchvision": "keras.applications has models; what stands for its transforms and datasets needs pillow",
        "torchaudio": "tf.audio and tf.signal read and transform sound",
        "torchtext": "keras.layers.TextVectorization and tf.strings prepare text",
        "torchdata": "tf.data has pipelines",
        "torchmetrics": "keras.metrics has metrics",
        "pytorch-lightning": "modules and their Trainer are translated to helpers",
        "lightning": "modules and their Trainer are translated to helpers",
        "pytorch-ignite": "Model.compile and fit, or a loop of your own, train",
        "timm": "keras.applications has models",
        "segmentation-models-pytorch": "translate the model that you use along with the project",
        "torch-geometric": "tensorflow-gnn has graph layers",
        "kornia": "tf.image has transforms of images",
        "accelerate": "tf.distribute spreads training over devices",
        "torchinfo": "Model.summary() prints layers",
        "torchsummary": "Model.summary() prints layers",
        "triton": "it is part of PyTorch's compiler",
        "pytorch-cuda": "TensorFlow brings CUDA with tensorflow[and-cuda]",
    },
    "tf": {
        "tensorflow-datasets": "torch.utils.data and torchvision.datasets have data sets",
        "tensorflow-probability": "torch.distributions has distributions",
        "tensorflow-addons": "torch.nn and torch.optim have most of it",
        "tensorflow-hub": "torch.hub loads models",
        "tensorflow-estimator": "a loop of your own trains",
        "tensorflow-io": "torch.utils.data reads what Python reads",
        "keras-cv": "torchvision has models and transforms",
        "keras-nlp": "translate the model that you use along with the project",
        "keras-hub": "translate the model that you use along with the project",
        "keras-tuner": "tuners that know no framework work as well",
    },
}
"""Libraries that need the source framework, and what there is for the same in the other."""

IMPORTED_AS = {
    "pytorch": "torch", "torch-cpu": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch",
    "tensorflow-cpu": "tensorflow", "tensorflow-gpu": "tensorflow", "tensorflow-macos": "tensorflow",
    "tf-nightly": "tensorflow", "pytorch-ignite": "ignite", "tensorflow-hub": "tensorflow_hub",
}  # fmt: skip
"""What a distribution is imported as, where that is not its own name with underscores."""

WHEEL_HOST = "download.pytorch.org"
"""Where requirements files find PyTorch's own wheels."""
CHANNELS = {"torch": frozenset({"pytorch", "pytorch-nightly"}), "tf": frozenset[str]()}
"""Conda channels that only a framework needs."""
