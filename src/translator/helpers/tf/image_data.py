"""torchvision.datasets: images and their labels by index, read from where torchvision keeps them, or by Keras."""

import gzip
import os
import pickle

import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.data import Dataset

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class ImageDataset(Dataset):
    """Images with a transform for them and one for their targets."""

    def __init__(self, root=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, (str, os.PathLike)) else root
        self.transform = transform
        self.target_transform = target_transform

    def transformed(self, image, target):
        """(image, target) after their transforms."""
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self):
        return f"Dataset {type(self).__name__}\n    Number of datapoints: {len(self)}\n    Root location: {self.root}"


def read_idx(path):
    """The array in a file of the format that MNIST is published in."""
    if not os.path.exists(path):
        path += ".gz"
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


class MNIST(ImageDataset):
    """Digits of 28 x 28 pixels: from ``root/MNIST/raw``, or with ``download`` from Keras's cache."""

    source = keras.datasets.mnist
    words = "zero one two three four five six seven eight nine"

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        self.train = train
        self.classes = self.class_names()
        raw = os.path.join(self.root, type(self).__name__, "raw", "train" if train else "t10k")
        paths = raw + "-images-idx3-ubyte", raw + "-labels-idx1-ubyte"
        if all(os.path.exists(p) or os.path.exists(p + ".gz") for p in paths):
            images, labels = map(read_idx, paths)
        elif download:
            images, labels = self.source.load_data()[0 if train else 1]
        else:
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data = tf.constant(images)
        self.targets = tf.constant(labels, tf.int64)

    def class_names(self):
        """What the labels stand for."""
        return [f"{i} - {word}" for i, word in enumerate(self.words.split())]

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index):
        image = PIL.Image.fromarray(np.asarray(self.data[index]))
        return self.transformed(image, int(self.targets[index]))

    def __len__(self):
        return len(self.data)


class FashionMNIST(MNIST):
    """Clothes of 28 x 28 pixels: from ``root/FashionMNIST/raw``, or with ``download`` from Keras's cache."""

    source = keras.datasets.fashion_mnist
    words = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"

    def class_names(self):
        return self.words.split(",")


class CIFAR10(ImageDataset):
    """Photographs of 32 x 32 pixels: from torchvision's folder in ``root``, or with ``download`` from Keras's cache."""

    source = keras.datasets.cifar10
    folder = "cifar-10-batches-py"
    files = "test_batch", "data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5"
    key = "labels"
    names = "batches.meta", "label_names"
    words = "airplane automobile bird cat deer dog frog horse ship truck"

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        self.train = train
        folder = os.path.join(self.root, self.folder)
        if os.path.isdir(folder):
            parts = [self.read(os.path.join(folder, name)) for name in self.files[bool(train)].split()]
            self.data = np.concatenate([p["data"] for p in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            self.targets = [int(label) for p in parts for label in p[self.key]]
            name, key = self.names
            self.classes = self.read(os.path.join(folder, name))[key]
        elif download:
            self.data, labels = self.source.load_data()[0 if train else 1]
            self.targets = labels.reshape(-1).tolist()
            self.classes = self.words.split()
        else:
            raise RuntimeError("Dataset not found. You can use download=True to download it")

    @staticmethod
    def read(path):
        """One of the pickled files that CIFAR is published in."""
        with open(path, "rb") as file:
            return pickle.load(file, encoding="latin1")

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index):
        return self.transformed(PIL.Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self):
        return len(self.data)


class CIFAR100(CIFAR10):
    """Photographs of 32 x 32 pixels in 100 classes, whose names only torchvision's folder holds."""

    source = keras.datasets.cifar100
    folder = "cifar-100-python"
    files = "test", "train"
    key = "fine_labels"
    names = "meta", "fine_label_names"
    words = ""


def load_picture(path):
    """The image in a file, in RGB."""
    with open(path, "rb") as file:
        return PIL.Image.open(file).convert("RGB")


class DatasetFolder(ImageDataset):
    """The files of a folder for each class; classes and files in the order of their names."""

    def __init__(
        self, root, loader, extensions=None, transform=None, target_transform=None, is_valid_file=None,
        allow_empty=False,
    ):  # fmt: skip
        super().__init__(root, transform, target_transform)
        self.loader = loader
        self.extensions = extensions
        endings = tuple(e.lower() for e in ((extensions,) if isinstance(extensions, str) else extensions or ()))
        self.is_wanted = is_valid_file or (lambda path: path.lower().endswith(endings))
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset()
        self.targets = [target for _, target in self.samples]
        empty = [name for name, i in self.class_to_idx.items() if i not in self.targets]
        if empty and not allow_empty:
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)}.")

    def find_classes(self, directory):
        """The names of the classes, and the number of each."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: i for i, name in enumerate(classes)}

    def make_dataset(self):
        """(path, class) for each file, in the order of the names."""
        found = []
        for name in sorted(self.class_to_idx):
            for folder, _, files in sorted(os.walk(os.path.join(self.root, name), followlinks=True)):
                paths = (os.path.join(folder, file) for file in sorted(files))
                found += [(path, self.class_to_idx[name]) for path in paths if self.is_wanted(path)]
        return found

    def __getitem__(self, index):
        path, target = self.samples[index]
        return self.transformed(self.loader(path), target)

    def __len__(self):
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """The images of a folder for each class."""

    def __init__(
        self, root, transform=None, target_transform=None, loader=load_picture, is_valid_file=None, allow_empty=False
    ):
        super().__init__(root, loader, IMAGE_ENDINGS, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(ImageDataset):
    """Random images, the same for the same index."""

    def __init__(
        self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None,
        random_offset=0,
    ):  # fmt: skip
        super().__init__(None, transform, target_transform)
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __getitem__(self, index):
        if index >= self.size:
            raise IndexError("FakeData index out of range")
        rng = np.random.default_rng(index + self.random_offset)
        target = int(rng.integers(self.num_classes))
        channels, height, width = self.image_size
        array = rng.integers(0, 256, (height, width, channels), np.uint8)
        return self.transformed(PIL.Image.fromarray(array[..., 0] if channels == 1 else array), target)

    def __len__(self):
        return self.size
