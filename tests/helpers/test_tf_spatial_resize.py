"""Resizing, sampling, padding and rearranging helpers against PyTorch."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_spatial_support import assert_close, check, check_layer, draw, tf_run, to_last, torch_run

from translator.helpers.tf import rearrange
from translator.helpers.tf.grid import affine_grid, grid_sample
from translator.helpers.tf.resize import Upsample, interpolate
from translator.helpers.tf.spatial import pad

SHAPES = {1: (2, 3, 7), 2: (2, 3, 6, 7), 3: (1, 2, 4, 5, 3)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def check_interpolate(rank, graph=True, **options):
    check(
        lambda x: F.interpolate(x, **options),
        lambda x, data_format: interpolate(x, **options, data_format=data_format),
        draw(*SHAPES[rank]),
        graph=graph,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
@pytest.mark.parametrize(
    "how", [{"size": 5}, {"scale_factor": 2}, {"scale_factor": 1.5}, {"scale_factor": 0.6}], ids=str
)
def test_nearest_and_area(rank, mode, how):
    check_interpolate(rank, rank != 3, mode=mode, **how)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    "how",
    [
        {"size": 9},
        {"scale_factor": 2.0},
        {"scale_factor": 1.7},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
        {"scale_factor": 0.6},
        {"size": 1},
    ],
    ids=str,
)
def test_linear(rank, align_corners, how):
    check_interpolate(rank, rank == 2, mode=LINEAR[rank], align_corners=align_corners, **how)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("how", [{"size": (9, 4)}, {"scale_factor": (2.0, 1.3)}, {"scale_factor": 0.6}], ids=str)
def test_bicubic(align_corners, how):
    check_interpolate(2, mode="bicubic", align_corners=align_corners, **how)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "how",
    [
        {"size": (3, 4)},
        {"size": (9, 4), "align_corners": True},
        {"scale_factor": 0.6},
        {"scale_factor": (1.7, 0.35)},
    ],
    ids=str,
)
def test_antialias(mode, how):
    check_interpolate(2, mode=mode, antialias=True, **how)


@pytest.mark.parametrize(
    "options",
    [
        {"size": (9, 4), "mode": "bilinear"},
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
        {"scale_factor": 1.7, "mode": "bilinear"},
        {"size": (9, 5), "mode": "nearest"},
        {"scale_factor": 3, "mode": "nearest-exact"},
    ],
    ids=str,
)
def test_single_precision(options):
    """float32 takes TensorFlow's own kernels where they are equal."""
    x = draw(*SHAPES[2])
    expected, cotangent, grads = torch_run(lambda x: F.interpolate(x, **options), (x,))
    y, found = tf_run(lambda x: interpolate(x, **options), (to_last(x).astype("float32"),), to_last(cotangent))
    assert_close(y, to_last(expected), "output", 1e-6)
    assert_close(found[0], to_last(grads[0]), "gradient", 1e-6)


def test_linear_in_one_axis():
    check_interpolate(1, mode="linear", size=9)
    check_interpolate(1, mode="linear", scale_factor=0.6, align_corners=True)


def test_upsample_layer():
    for options in ({"scale_factor": 2}, {"size": (5, 9), "mode": "bilinear", "align_corners": True}):
        check_layer(
            torch.nn.Upsample(**options),
            lambda fmt: Upsample(**options, data_format=fmt, dtype="float64"),  # noqa: B023
            draw(2, 3, 6, 7),
            {},
        )
    layer = Upsample(scale_factor=2, dtype="float64")
    x = tf.constant(draw(1, 3, 4, 2))
    assert_close(Upsample.from_config(layer.get_config())(x), layer(x))


def grid(*shape):
    """Positions in and out of [-1, 1], among them the corners and the centre."""
    g = np.random.default_rng(3).uniform(-1.6, 1.6, (*shape, len(shape) - 1))
    g.reshape(-1)[: 3 * (len(shape) - 1)] = np.repeat([-1.0, 1.0, 0.0], len(shape) - 1)
    return g


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_grid_sample(mode, padding_mode, align_corners):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    check(
        lambda x, g: F.grid_sample(x, g, **options),
        lambda x, g, data_format: grid_sample(x, g, **options, data_format=data_format),
        draw(2, 3, 5, 6),
        grid(2, 4, 7),
        graph=mode != "bicubic" and padding_mode != "zeros",
    )


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample_of_volumes(padding_mode):
    options = {"padding_mode": padding_mode, "align_corners": False}
    check(
        lambda x, g: F.grid_sample(x, g, **options),
        lambda x, g, data_format: grid_sample(x, g, **options, data_format=data_format),
        draw(2, 2, 3, 4, 5),
        grid(2, 3, 2, 4),
    )


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 3, 3, 1, 4)], ids=str)
def test_affine_grid(size, align_corners):
    rank = len(size) - 2
    theta = draw(2, rank, rank + 1)
    own_size = {"channels_first": size, "channels_last": (size[0], *size[2:], size[1])}
    check(
        lambda t: F.affine_grid(t, size, align_corners),
        lambda t, data_format: affine_grid(t, own_size[data_format], align_corners, data_format),
        theta,
        formats=("channels_first",),
        unknown=False,
    )
    expected = F.affine_grid(torch.tensor(theta), size, align_corners)
    assert_close(affine_grid(tf.constant(theta), own_size["channels_last"], align_corners), expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle_and_unshuffle(factor):
    check(
        lambda x: F.pixel_shuffle(x, factor),
        lambda x, data_format: rearrange.pixel_shuffle(x, factor, data_format),
        draw(2, 2 * factor**2, 3, 4),
    )
    check(
        lambda x: F.pixel_unshuffle(x, factor),
        lambda x, data_format: rearrange.pixel_unshuffle(x, factor, data_format),
        draw(2, 3, 2 * factor, 3 * factor),
    )


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 6, 3, 4), (1, 6, 2, 3, 2)], ids=str)
def test_channel_shuffle(shape):
    check(
        lambda x: F.channel_shuffle(x, 3),
        lambda x, data_format: rearrange.channel_shuffle(x, 3, data_format),
        draw(*shape),
    )


FOLDS = [
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (2, 1), "stride": (2, 1)},
    {"kernel_size": 2, "stride": 3},
]


@pytest.mark.parametrize("options", FOLDS, ids=str)
def test_unfold_and_fold(options):
    image = draw(2, 3, 8, 7)
    check(
        lambda x: F.unfold(x, **options),
        lambda x, data_format: rearrange.unfold_patches(x, **options, data_format=data_format),
        image,
        output=lambda y: y,
    )
    patches = F.unfold(torch.tensor(image), **options).numpy() * draw(1, 1, 1)
    expected, cotangent, grads = torch_run(lambda p: F.fold(p, (8, 7), **options), (patches,))
    for data_format, move in (("channels_last", to_last), ("channels_first", lambda a: a)):
        for graph in (False, True):
            y, found = tf_run(
                lambda p: rearrange.fold_patches(p, (8, 7), **options, data_format=data_format),  # noqa: B023
                (patches,),
                move(cotangent),
                graph,
                (0,),
            )
            assert_close(y, move(expected))
            assert_close(found[0], grads[0])


def test_rearranging_layers():
    x = draw(2, 8, 4, 6)
    for theirs, ours in (
        (torch.nn.PixelShuffle(2), lambda fmt: rearrange.PixelShuffle(2, data_format=fmt, dtype="float64")),
        (torch.nn.PixelUnshuffle(2), lambda fmt: rearrange.PixelUnshuffle(2, data_format=fmt, dtype="float64")),
        (torch.nn.ChannelShuffle(4), lambda fmt: rearrange.ChannelShuffle(4, data_format=fmt, dtype="float64")),
    ):
        check_layer(theirs, ours, x, {}, unknown=False)
    patches = torch.nn.Unfold(2, stride=2)(torch.tensor(x)).numpy()
    assert_close(rearrange.Unfold(2, stride=2, dtype="float64")(to_last(x)), patches)
    fold = rearrange.Fold((4, 6), 2, stride=2, dtype="float64")
    assert_close(rearrange.Fold.from_config(fold.get_config())(patches), to_last(x))


@pytest.mark.parametrize(
    ("mode", "amounts"),
    [
        ("constant", (1, 2)),
        ("constant", (1, -2, -1, 3, 0, 1)),
        ("constant", (0, 0, 2, -1)),
        ("reflect", (1, 2, 3, 0)),
        ("replicate", (3, 0, 1, 2)),
        ("circular", (2, 1, 0, 3)),
        ("circular", (-1, 2, 1, -2)),
        ("replicate", (-1, 2, 0, 1)),
    ],
)
def test_pad(mode, amounts):
    value = 0.3 if mode == "constant" else None
    check(
        lambda x: F.pad(x, amounts, mode, value),
        lambda x, data_format: pad(x, amounts, mode, value),
        draw(2, 3, 5, 6),
        formats=("channels_first",),
    )


def test_pad_by_amounts_known_at_run_time_only():
    function = tf.function(
        lambda x, n: pad(x, (n, -n, 0, n)),
        input_signature=[tf.TensorSpec((None, None), tf.float64), tf.TensorSpec((), tf.int32)],
    )
    x = draw(4, 5)
    for n in (2, -1, 0):
        assert_close(function(x, n), F.pad(torch.tensor(x), (n, -n, 0, n)))


def test_pad_of_integers():
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(pad(tf.constant(x), (1, 0), value=7), F.pad(torch.tensor(x), (1, 0), value=7))


def test_resizing_matrices_reproduce_straight_lines():
    """Linear and cubic weights sum to one and keep a straight line away from the ends."""
    line = np.arange(12.0)[None, :, None]
    for mode, antialias in itertools.product(("bilinear", "bicubic"), (False, True)):
        x = tf.constant(np.tile(line[..., None], (1, 1, 12, 1)))
        y = interpolate(x, size=(6, 12), mode=mode, antialias=antialias).numpy()[0, 2:-2, 5, 0]
        assert_close(y, np.arange(6.0)[2:-2] * 2 + 0.5)
