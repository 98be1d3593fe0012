"""Programs that read images with torchvision: their translations see the same batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from torchvision_support import torchvision
from translator import Severity, translate
from translator.compare.program import load

HEAD = """
import os
import torch
import torchvision
import torchvision.transforms as transforms
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision.transforms import functional as TF
from torchvision.transforms import v2
"""

PROGRAM = HEAD + """
from torchvision.utils import make_grid, save_image

normalize = transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
data_transforms = {
    'train': transforms.Compose([
        transforms.Resize(12, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop((10, 8)),
        transforms.RandomHorizontalFlip(p=1.0),
        transforms.ToTensor(),
        normalize,
    ]),
    'val': v2.Compose([v2.CenterCrop(9), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
}


class Dim(object):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, img):
        return TF.adjust_brightness(img, self.factor)


class Paths(datasets.ImageFolder):
    def __getitem__(self, index):
        image, target = super().__getitem__(index)
        return image, target, os.path.basename(self.samples[index][0])


class Pairs(Dataset):
    def __init__(self, folder, transform=None):
        self.folder = folder
        self.transform = transform

    def __len__(self):
        return len(self.folder)

    def __getitem__(self, i):
        image, target = self.folder[i]
        if self.transform is not None:
            image = self.transform(image)
        return TF.hflip(image), TF.to_tensor(TF.resize(self.folder[i][0], [4, 4])), target


def run(root):
    folders = {x: datasets.ImageFolder(os.path.join(root, x), data_transforms[x]) for x in ['train', 'val']}
    loaders = {x: DataLoader(folders[x], batch_size=4, shuffle=False, num_workers=0) for x in ['train', 'val']}
    out = [torch.tensor(folders['train'].targets)]
    print(folders['train'].classes, len(folders['val']))
    for phase in ['train', 'val']:
        for inputs, labels in loaders[phase]:
            flat = inputs.view(inputs.size(0), -1) * labels.unsqueeze(1)
            out += [inputs, labels, flat.mean(1)]
    plain = datasets.ImageFolder(os.path.join(root, 'train'))
    steps = [Dim(0.5), transforms.Pad(1), transforms.ToTensor(), transforms.Lambda(lambda x: x * 2 - 1)]
    dark = transforms.Compose(steps)
    for image, small, target in DataLoader(Pairs(plain, dark), batch_size=3, drop_last=True):
        out += [image, small, target.float().mean()]
    for image, target, name in DataLoader(Paths(os.path.join(root, 'val'), transforms.ToTensor()), batch_size=1):
        out.append(image.mean() + len(name[0]) + target)
    grid = make_grid(out[1], nrow=2, normalize=True)
    save_image(out[1], os.path.join(root, 'grid.png'), nrow=2, normalize=True)
    single = dark(plain[0][0]).unsqueeze(0)
    return out + [grid.permute(1, 2, 0), single]
"""


def arrays(found: list[Any]) -> list[Any]:
    return [np.asarray(x) for x in found]


def test_the_same_batches(tmp_path: Path) -> None:
    torchvision()
    rng = np.random.default_rng(2)
    for part, count in (("train", 3), ("val", 2)):
        for name in ("wasps", "ants", "bees"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                PIL.Image.fromarray(rng.integers(0, 256, (14, 17, 3), np.uint8)).save(folder / f"{i}.png")
    result = translate(PROGRAM)
    assert not result.refused, result.diagnostics
    assert "torchvision" not in result.text.partition("normalize = ")[2]
    expected = arrays(load(PROGRAM, "images_torch", wide=False).run(str(tmp_path)))
    picture = np.asarray(PIL.Image.open(tmp_path / "grid.png"))
    actual = arrays(load(result.text, "images_tf", wide=False).run(str(tmp_path)))
    assert len(expected) == len(actual) > 20
    for a, b in zip(expected, actual, strict=True):
        assert a.shape == b.shape and a.std() >= 0
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / "grid.png")), picture)


REFUSED = {
    "t = transforms.RandomPerspective()": "this transform has no counterpart",
    "t = v2.Resize(8)": "a rounding of its own",
    "t = v2.ToDtype(torch.float32)": "without scale=True",
    "d = datasets.VOCSegmentation('data')": "only MNIST",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code: str) -> None:
    result = translate(HEAD + "\n" + code + "\n")
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert len(errors) == 1 and REFUSED[code] in errors[0].message and errors[0].hint
    assert code in result.text


FILTERS = ["NEAREST", "NEAREST_EXACT", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS"]


@pytest.mark.parametrize("name", FILTERS)
def test_filters_have_the_names_that_the_helpers_know(name: str) -> None:
    torchvision()
    from torchvision.transforms import InterpolationMode

    found = translate(HEAD + f"\nmode = transforms.InterpolationMode.{name}\n").text
    assert f"mode = '{InterpolationMode[name].value}'" in found


def test_what_a_loader_gives_is_in_source_order() -> None:
    """Tensors that a dataset holds reach the model through a loader, which moves no axes."""
    text = translate(
        "import torch\nfrom torch import nn\nfrom torch.utils.data import DataLoader, TensorDataset\n\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 3)\n\n"
        "    def forward(self, x):\n        return self.conv(x).mean()\n\n\n"
        "def run(model: Net, x, y):\n    for images, labels in DataLoader(TensorDataset(x, y), batch_size=2):\n"
        "        print(model(images))\n"
    ).text
    assert "model(tf.transpose(images, (0, 2, 3, 1))" in text or "self.conv(tf.transpose(x, (0, 2, 3, 1)))" in text
