"""What Keras's model collection takes from its ``imagenet_utils``."""

import json
import os

import torch
import torch.nn.functional as F


def get_file(fname=None, origin=None, cache_subdir="datasets", file_hash=None, **options):
    """Download a file once; gives the path of the copy."""
    if options:
        raise ValueError(f"get_file: {', '.join(options)} are not supported")
    path = os.path.join(torch.hub.get_dir(), cache_subdir, fname or os.path.basename(origin))
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # A SHA-256 is checked here; an MD5, which is half as long, is not.
        prefix = file_hash if file_hash and len(file_hash) == 64 else None
        torch.hub.download_url_to_file(origin, path, hash_prefix=prefix)
    return path


def path_exists(path):
    """Whether a path names a file or folder."""
    return path is not None and os.path.exists(path)


def obtain_input_shape(
    input_shape, default_size, min_size, data_format="channels_last", require_flatten=True, weights=None
):
    """The shape ``(height, width, channels)`` of an image model's input, checked and completed."""
    if weights == "imagenet" and require_flatten:
        default = (default_size, default_size, 3)
        if input_shape is not None and tuple(input_shape) != default:
            raise ValueError(f"pretrained weights with a classifier need `input_shape` {default}")
        return default
    if input_shape is None:
        return (default_size, default_size, 3) if require_flatten else (None, None, 3)
    input_shape = tuple(input_shape)
    if len(input_shape) != 3:
        raise ValueError(f"`input_shape` must have three entries, not {input_shape}")
    if weights == "imagenet" and input_shape[-1] != 3:
        raise ValueError(f"pretrained weights need three channels, not `input_shape` {input_shape}")
    if any(size is not None and size < min_size for size in input_shape[:2]):
        raise ValueError(f"images must be at least {min_size} pixels on each side, not `input_shape` {input_shape}")
    if require_flatten and None in input_shape:
        raise ValueError(f"with a classifier `input_shape` must be known, not {input_shape}")
    return input_shape


def validate_activation(classifier_activation, weights):
    """Pretrained classifiers end in a softmax or in plain scores."""
    if weights is not None and classifier_activation not in ("softmax", None):
        raise ValueError(f"pretrained weights need softmax or no activation, not {classifier_activation!r}")


def correct_pad(x, kernel_size):
    """How much zero padding ((top, bottom), (left, right)) a convolution with stride 2 over ``x`` (NCHW) needs."""
    sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    half = [size // 2 for size in sizes]
    even = [1 - size % 2 for size in x.shape[2:]]
    return tuple((h - e, h) for h, e in zip(half, even))


def zero_pad2d(x, padding):
    """``x`` (NCHW) with zeros around it: one number, (height, width), or ((top, bottom), (left, right))."""
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    top, bottom = (rows, rows) if isinstance(rows, int) else rows
    left, right = (columns, columns) if isinstance(columns, int) else columns
    return F.pad(x, (left, right, top, bottom))


def imagenet_preprocess(x, data_format=None, mode="caffe"):
    """Pixels (0 to 255) of a batch (or one image) as ImageNet models expect them; channels stand last by default."""
    axis = -3 if data_format == "channels_first" else -1
    x = torch.as_tensor(x).to(torch.get_default_dtype())
    if mode == "tf":
        return x / 127.5 - 1.0
    shape = [1] * x.ndim
    shape[axis] = 3
    if mode == "torch":
        mean = x.new_tensor([0.485, 0.456, 0.406]).reshape(shape)
        return (x / 255.0 - mean) / x.new_tensor([0.229, 0.224, 0.225]).reshape(shape)
    if mode != "caffe":
        raise ValueError(f"unknown mode {mode!r}: it is caffe, tf or torch")
    return x.flip(axis) - x.new_tensor([103.939, 116.779, 123.68]).reshape(shape)


def imagenet_classes():
    """The identifiers and names of ImageNet's classes, by class number."""
    url = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
    with open(get_file("imagenet_class_index.json", url, cache_subdir="models"), encoding="utf-8") as file:
        found = json.load(file)
    return [tuple(found[str(i)]) for i in range(len(found))]


def imagenet_decode(preds, top=5):
    """The most likely classes of each sample: (identifier, name, score)."""
    preds = torch.as_tensor(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError(f"predictions must be of shape (samples, 1000), not {tuple(preds.shape)}")
    classes = imagenet_classes()
    scores, numbers = preds.topk(top, dim=1)
    pairs = zip(scores.tolist(), numbers.tolist())
    return [[(*classes[i], score) for score, i in zip(row, indices)] for row, indices in pairs]
