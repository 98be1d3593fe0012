"""Keras layers and functions with PyTorch's exact semantics, for what TensorFlow has no equivalent of."""
