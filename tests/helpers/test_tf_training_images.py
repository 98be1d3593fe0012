"""The image helpers against torchvision: the same pixels; what is random is told the same numbers."""

import pickle
import random
import re

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import torch

from torchvision_support import torchvision
from translator.helpers.tf import image as functions
from translator.helpers.tf import image_color as colors
from translator.helpers.tf import image_data as data
from translator.helpers.tf import image_grid as grid
from translator.helpers.tf import image_transforms as ours

torchvision()
from torchvision import datasets as their_data  # noqa: E402
from torchvision import transforms as theirs  # noqa: E402
from torchvision import utils as their_utils  # noqa: E402
from torchvision.transforms import functional as their_functions  # noqa: E402

RNG = np.random.default_rng(5)
PICTURES = {
    mode: PIL.Image.fromarray(RNG.integers(0, 256, shape, np.uint8), mode)
    for mode, shape in (("L", (13, 18)), ("RGB", (13, 18, 3)), ("RGBA", (11, 9, 4)))
}
ARRAYS = {
    "float": RNG.random((3, 13, 18)).astype(np.float32), "bytes": RNG.integers(0, 256, (3, 13, 18), np.uint8),
    "batch": RNG.random((2, 3, 12, 9)).astype(np.float32), "double": RNG.random((1, 11, 12)),
}  # fmt: skip


def same(expected, actual, tolerance=0.0):
    """Two images of one kind, with the same pixels."""
    if isinstance(expected, PIL.Image.Image):
        assert isinstance(actual, PIL.Image.Image) and actual.mode == expected.mode
        np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))
    elif isinstance(expected, torch.Tensor):
        assert tf.is_tensor(actual) and actual.dtype.name == str(expected.dtype).removeprefix("torch.")
        assert tuple(actual.shape) == tuple(expected.shape)
        np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)
    else:
        assert list(expected) == list(actual)


def on_all(there, here, kinds, tolerance=0.0):
    """Both functions on pictures and tensors of these kinds."""
    for kind in kinds:
        if kind in PICTURES:
            same(there(PICTURES[kind]), here(PICTURES[kind]), tolerance)
        else:
            same(there(torch.tensor(ARRAYS[kind])), here(tf.constant(ARRAYS[kind])), tolerance)


BOTH = ("L", "RGB", "RGBA", "float", "bytes", "batch", "double")
FIXED = {
    "ToTensor()": ("L", "RGB", "RGBA"),
    "PILToTensor()": ("L", "RGB", "RGBA"),
    "ToPILImage()": ("float", "bytes"),
    "ToPILImage('HSV')": ("bytes",),
    "Normalize((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))": ("float", "batch"),
    "Normalize([0.5], [0.25])": ("float", "double"),
    "ConvertImageDtype(dtypes['float64'])": ("float", "bytes"),
    "ConvertImageDtype(dtypes['uint8'])": ("float", "double"),
    "Resize(9)": BOTH,
    "Resize([7, 20])": BOTH,
    "Resize((30, 31), interpolation='bicubic')": BOTH,
    "Resize((8, 9), antialias=False)": ("float", "bytes"),
    "Resize((5, 31), interpolation='nearest')": BOTH,
    "Resize(8, max_size=10)": BOTH,
    "Resize((8, 8), interpolation='lanczos')": ("L", "RGB"),
    "CenterCrop(8)": BOTH,
    "CenterCrop((15, 10))": BOTH,
    "Pad(2)": ("L", "RGB", "float", "batch"),
    "Pad((1, 3), fill=7)": ("L", "RGB", "float"),
    "Pad((1, 2, 3, 4), fill=(1, 2, 3))": ("RGB",),
    "Pad((1, -2, 3, 4))": ("RGB", "float"),
    "Pad((2, 1), padding_mode='reflect')": ("L", "RGB", "float"),
    "Pad((2, 1, -1, 0), padding_mode='edge')": ("L", "RGB", "float"),
    "Pad(3, padding_mode='symmetric')": ("L", "RGB"),
    "Grayscale()": ("L", "RGB", "float", "bytes", "batch"),
    "Grayscale(3)": ("L", "RGB", "float", "bytes"),
    "RandomHorizontalFlip(1.0)": BOTH,
    "RandomVerticalFlip(p=1.0)": BOTH,
    "RandomHorizontalFlip(0.0)": ("RGB",),
    "RandomGrayscale(1.0)": ("RGB", "float"),
    "RandomErasing(0.0)": ("float",),
    "RandomCrop((13, 18))": ("L", "RGB", "float"),
    "ColorJitter()": ("RGB",),
    "Compose([Lambda(lambda x: x), RandomApply([CenterCrop(6)], p=1.0), RandomOrder([Pad(1)])])": ("RGB", "bytes"),
    "RandomChoice([CenterCrop(6), Pad(2)], p=[0, 1])": ("RGB",),
}


@pytest.mark.parametrize("code", FIXED)
def test_transform(code):
    modes = {m.value: m for m in theirs.InterpolationMode}
    known = {**vars(theirs), "modes": modes, "dtypes": vars(torch)}
    there = eval(re.sub(r"interpolation=('\w+')", r"interpolation=modes[\1]", code), known)
    here, kinds = eval(code, {**vars(ours), "dtypes": {n: n for n in ("uint8", "float64")}}), FIXED[code]
    if "Resize" in code and "bytes" in kinds:
        rounded(there, here)
        kinds = [kind for kind in kinds if kind != "bytes"]
    on_all(there, here, kinds, 2e-6 if "Resize" in code or "Gray" in code else 0.0)


def rounded(there, here):
    """Bytes are computed in single precision: what lies half way between two may go either way, and nothing else."""
    expected, actual = there(torch.tensor(ARRAYS["bytes"])).numpy(), here(tf.constant(ARRAYS["bytes"])).numpy()
    exact = there(torch.tensor(ARRAYS["bytes"], dtype=torch.float64)).numpy()
    clear = np.abs(exact - np.floor(exact) - 0.5) > 1e-3
    assert clear.mean() > 0.9 and actual.dtype == np.uint8
    np.testing.assert_array_equal(actual[clear], expected[clear])
    np.testing.assert_allclose(actual[~clear], exact[~clear], atol=0.51)


def test_pillows_numbers_name_filters():
    for number in (PIL.Image.BICUBIC, 2, 0):
        same(theirs.Resize((9, 8), number)(PICTURES["RGB"]), ours.Resize((9, 8), number)(PICTURES["RGB"]))


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation"])
def test_colors(name, factor):
    there, here = getattr(their_functions, name), getattr(colors, name)
    on_all(lambda x: there(x, factor), lambda x: here(x, factor), ("L", "RGB", "RGBA"))
    on_all(lambda x: there(x, factor), lambda x: here(x, factor), ("float", "batch"), 1e-6)


@pytest.mark.parametrize("factor", [-0.5, -0.13, 0.0, 0.3])
def test_hue(factor):
    on_all(lambda x: their_functions.adjust_hue(x, factor), lambda x: colors.adjust_hue(x, factor), ("L", "RGB"))
    with pytest.raises(TypeError, match="before ToTensor"):
        colors.adjust_hue(tf.constant(ARRAYS["float"]), factor)


RANDOM = {
    "RandomCrop((7, 8), padding=2)": [(3, 4, 7, 8), (0, 0, 7, 8)],
    "RandomCrop((20, 8), pad_if_needed=True, padding_mode='edge')": [(3, 9, 20, 8)],
    "RandomResizedCrop(10)": [(2, 3, 7, 9), (0, 0, 13, 18)],
    "RandomResizedCrop((6, 7), scale=(0.5, 1.0))": [(2, 3, 7, 9)],
    "RandomRotation(30)": [17.5, -3.0],
    "RandomRotation((0, 90), expand=True, fill=9)": [40.0],
    "RandomErasing(1.0, value=0.5)": None,
    "ColorJitter(0.5, 0.4, 0.3, 0.2)": None,
}


@pytest.mark.parametrize("code", RANDOM)
def test_random_transform_with_the_same_numbers(code, monkeypatch):
    there, here = eval(code, vars(theirs)), eval(code, vars(ours))
    values = np.full(1, 0.5, np.float32)
    chosen = RANDOM[code] or {
        "RandomErasing": [(2, 3, 5, 4, values.reshape(1, 1, 1))],
        "ColorJitter": [([2, 0, 3, 1], 1.3, 0.7, 1.2, -0.1), ([3, 1, 0, 2], 0.6, 1.3, 0.8, 0.2)],
    }[code.partition("(")[0]]  # fmt: skip
    for one in chosen:
        given = tuple(torch.tensor(v) if isinstance(v, np.ndarray) else v for v in one) if type(one) is tuple else one
        monkeypatch.setattr(type(there), "get_params", staticmethod(lambda *args, given=given, **kwargs: given))
        monkeypatch.setattr(type(here), "get_params", staticmethod(lambda *args, one=one, **kwargs: one))
        kinds = ("float", "batch") if "Erasing" in code else ("L", "RGB")
        on_all(there, here, kinds)
        if code.startswith(("RandomCrop", "RandomResized")):
            on_all(there, here, ("float", "batch"), 2e-6)


def test_what_is_random_stays_within_its_limits():
    np.random.seed(3)
    random.seed(3)
    image = tf.constant(ARRAYS["float"])
    parts = [ours.RandomResizedCrop.get_params(image, (0.2, 0.5), (0.5, 2.0)) for _ in range(200)]
    shares = np.array([h * w / (13 * 18) for _, _, h, w in parts])
    assert shares.min() > 0.15 and shares.max() < 0.56 and shares.std() > 0.05
    assert all(t >= 0 and left >= 0 and t + h <= 13 and left + w <= 18 for t, left, h, w in parts)
    places = {ours.RandomCrop.get_params(image, (12, 16))[:2] for _ in range(200)}
    assert places == {(i, j) for i in range(2) for j in range(3)}
    assert theirs.RandomResizedCrop.get_params(torch.zeros(3, 5, 400), (0.9, 1.0), (0.9, 1.1)) == (
        ours.RandomResizedCrop.get_params(tf.zeros((3, 5, 400)), (0.9, 1.0), (0.9, 1.1))
    )
    flips = [np.array_equal(ours.RandomHorizontalFlip(0.25)(image), image) for _ in range(300)]
    assert 0.68 < np.mean(flips) < 0.82
    limits = ours.ColorJitter(0.4, (0.5, 0.9), 2.0, 0.1)
    reference = theirs.ColorJitter(0.4, (0.5, 0.9), 2.0, 0.1)
    names = ("brightness", "contrast", "saturation", "hue")
    assert [getattr(limits, n) for n in names] == [getattr(reference, n) for n in names]
    for _ in range(30):
        place = ours.RandomErasing.get_params(image, (0.1, 0.2), (0.5, 2.0), [0.5])[:4]
        assert 0.05 < place[2] * place[3] / (13 * 18) < 0.25


def test_functions():
    names = {"hflip": "mirrored", "vflip": "upside_down", "get_dimensions": "image_dimensions",
             "get_image_size": "image_size"}  # fmt: skip
    for name, mine in names.items():
        on_all(getattr(their_functions, name), getattr(functions, mine), BOTH)
    for place in ((1, 2, 5, 6), (-2, -1, 9, 30), (10, 12, 8, 9)):
        on_all(
            lambda x, p=place: their_functions.crop(x, *p), lambda x, p=place: functions.crop_image(x, *p), BOTH
        )
    for dtype in ("uint8", "int32", "float64", "float32", "int16"):
        for kind in ("float", "bytes", "double"):
            if kind == "float" and dtype == "int32":
                with pytest.raises(RuntimeError, match="too few digits"):
                    functions.convert_image_dtype(tf.constant(ARRAYS[kind]), dtype)
                continue
            there = their_functions.convert_image_dtype(torch.tensor(ARRAYS[kind]), getattr(torch, dtype))
            same(there, functions.convert_image_dtype(tf.constant(ARRAYS[kind]), dtype), 1e-7)
    noise = RNG.random((3, 4, 5)).astype(np.float32)
    there = their_functions.erase(torch.tensor(ARRAYS["float"]), 2, 3, 4, 5, torch.tensor(noise))
    same(there, functions.erase(tf.constant(ARRAYS["float"]), 2, 3, 4, 5, noise))
    array = RNG.random((4, 5, 3))
    same(their_functions.to_tensor(array), functions.to_tensor(array))
    same(their_functions.pil_to_tensor(PICTURES["RGB"]), functions.pil_to_tensor(PICTURES["RGB"]))
    same(their_functions.to_pil_image(array), functions.to_pil_image(array))
    same(their_functions.normalize(torch.tensor(ARRAYS["float"]), [0.1], [0.3]),
         functions.standardize(tf.constant(ARRAYS["float"]), [0.1], [0.3]))  # fmt: skip
    same(their_functions.center_crop(PICTURES["L"], 7), functions.center_crop(PICTURES["L"], 7))
    part = (1, 2, 6, 5, [9, 8])
    same(their_functions.resized_crop(PICTURES["L"], *part), functions.resized_crop(PICTURES["L"], *part))
    same(their_functions.rotate(PICTURES["L"], 12.5), functions.rotate_image(PICTURES["L"], 12.5))
    same(their_functions.pad(PICTURES["L"], 2), functions.pad_image(PICTURES["L"], 2))
    same(their_functions.resize(PICTURES["L"], [4, 5]), functions.resize_image(PICTURES["L"], [4, 5]))
    same(their_functions.to_grayscale(PICTURES["RGB"], 3), colors.gray(PICTURES["RGB"], 3))
    same(their_functions.rgb_to_grayscale(PICTURES["RGB"]), colors.gray(PICTURES["RGB"]))
    for wrong in (lambda: functions.to_tensor(tf.zeros((3, 4, 4))), lambda: functions.mirrored(np.zeros((3, 4)))):
        with pytest.raises(TypeError):
            wrong()


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_mnist(name, tmp_path):
    folder = tmp_path / name / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 7), ("t10k", 4)):
        write_idx(folder / f"{part}-images-idx3-ubyte", RNG.integers(0, 256, (count, 28, 28), np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", RNG.integers(0, 10, count, np.uint8))
    for train in (True, False):
        there, here = getattr(their_data, name)(str(tmp_path), train), getattr(data, name)(str(tmp_path), train)
        same_items(there, here)
        same(there.data, here.data)
        same(there.targets, here.targets)
    with pytest.raises(RuntimeError, match="not found"):
        getattr(data, name)(str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar(name, tmp_path, monkeypatch):
    kind = getattr(data, name)
    folder = tmp_path / kind.folder
    folder.mkdir()
    classes = [f"kind {i}" for i in range(10)]
    for train, files in enumerate(kind.files):
        for file in files.split():
            count = 3 + train
            images, labels = RNG.integers(0, 256, (count, 3072), np.uint8), RNG.integers(0, 10, count)
            part = {"data": images, kind.key: labels.tolist()}
            (folder / file).write_bytes(pickle.dumps(part))
    (folder / kind.names[0]).write_bytes(pickle.dumps({kind.names[1]: classes}))
    monkeypatch.setattr(getattr(their_data, name), "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    for train in (True, False):
        there, here = getattr(their_data, name)(str(tmp_path), train), kind(str(tmp_path), train)
        same_items(there, here)
        np.testing.assert_array_equal(here.data, there.data)
        assert here.targets == there.targets


def same_items(there, here):
    assert len(here) == len(there) and list(here.classes) == list(there.classes)
    assert here.class_to_idx == there.class_to_idx
    for i in range(len(there)):
        same(there[i][0], here[i][0])
        assert there[i][1] == here[i][1] and type(here[i][1]) is int


def test_folders_of_images(tmp_path):
    for name in ("dog", "Cat", "ant/inner", "ant"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for file in ("b.png", "A.PNG", "c.jpg"):
            picture = PIL.Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8))
            picture.save(tmp_path / name / file, "JPEG" if file.endswith("jpg") else "PNG")
        (tmp_path / name / "notes.txt").write_text("no image")
    there, here = their_data.ImageFolder(tmp_path, target_transform=int), data.ImageFolder(tmp_path, None, int)
    same_items(there, here)
    assert here.samples == there.samples and here.imgs == there.imgs and here.targets == there.targets

    def only_b(path):
        return path.endswith("b.png")

    there, here = (kind.ImageFolder(tmp_path, is_valid_file=only_b) for kind in (their_data, data))
    assert here.samples == there.samples and len(here) == 4
    there = their_data.DatasetFolder(tmp_path, their_data.folder.default_loader, (".jpg",), allow_empty=True)
    here = data.DatasetFolder(tmp_path, data.load_picture, (".jpg",), allow_empty=True)
    same_items(there, here)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        data.ImageFolder(tmp_path)
    assert len(data.ImageFolder(tmp_path, allow_empty=True).classes) == 4


def test_fake_data_is_the_same_each_time():
    made = data.FakeData(5, (3, 6, 7), 4, ours.ToTensor())
    same(torch.tensor(made[3][0].numpy()), made[3][0])
    np.testing.assert_array_equal(made[3][0], made[3][0])
    assert made[3][0].shape == (3, 6, 7) and len(made) == 5 and {made[i][1] for i in range(5)} <= set(range(4))
    with pytest.raises(IndexError):
        made[5]


GRIDS = [
    {}, {"nrow": 3, "padding": 1, "pad_value": 0.5}, {"normalize": True}, {"normalize": True, "scale_each": True},
    {"normalize": True, "value_range": (-0.5, 1.0), "nrow": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", GRIDS)
@pytest.mark.parametrize("shape", [(7, 3, 4, 5), (4, 1, 5, 4), (1, 3, 4, 4), (3, 4, 5), (1, 4, 5), (4, 5)])
def test_grids(shape, options, tmp_path):
    images = RNG.normal(size=shape).astype(np.float32)
    if len(shape) < 4:
        options = {k: v for k, v in options.items() if k != "scale_each"}
    expected = their_utils.make_grid(torch.tensor(images), **options)
    same(expected, grid.make_grid(tf.constant(images), **options), 1e-6)
    their_utils.save_image(torch.tensor(images), tmp_path / "a.png", **options)
    grid.save_image(tf.constant(images), tmp_path / "b.png", **options)
    same(PIL.Image.open(tmp_path / "a.png"), PIL.Image.open(tmp_path / "b.png"))
