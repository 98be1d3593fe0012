"""Checkpoint files: what a framework writes is read, what is written it loads; hostile files give one clear error."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")
safetensors = pytest.importorskip("safetensors.torch")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from click.testing import CliRunner  # noqa: E402

from translator.checkpoints import arrays, flush  # noqa: E402
from translator.checkpoints.convert import Job, convert  # noqa: E402
from translator.checkpoints.keras_file import KerasWriter, read_keras  # noqa: E402
from translator.checkpoints.plan import Link, Plan  # noqa: E402
from translator.checkpoints.torch_file import read_torch  # noqa: E402
from translator.cli_root import root  # noqa: E402
from translator.model import InputError  # noqa: E402

SRC = Path(__file__).resolve().parent.parent / "src"
PLAN = Plan(
    links=[
        Link([["fc.weight"]], ["fc/vars/0"], [(5, 3)], (3, 5), "linear"),
        Link([["fc.bias"]], ["fc/vars/1"], [(5,)], (5,), "same"),
        Link([["conv.weight", "twin.weight"]], ["conv/vars/0"], [(4, 2, 3, 6)], (3, 6, 2, 4), "conv"),
    ],
    counters=["bn.num_batches_tracked"],
    seeds={"dropout/seed_generator/vars/0": ["uint32", [2], "AQAAAAIAAAA="]},
    groups={"fc": "dense_3"},
)
LEGACY = {"_use_new_zipfile_serialization": False}


def state(dtype: Any = torch.float32) -> dict[str, Any]:
    torch.manual_seed(0)
    conv = torch.randn(4, 2, 3, 6).to(dtype)
    return {
        "fc.weight": torch.randn(3, 5).to(dtype).t(),  # not contiguous
        "fc.bias": torch.randn(9).to(dtype)[2:7],  # a part of a larger one
        "conv.weight": conv, "twin.weight": conv,
        "bn.num_batches_tracked": torch.tensor(5),
    }  # fmt: skip


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "map.json").write_text(PLAN.text(), "utf-8")
    return str(tmp_path / "map.json")


def go(source: Path, target: Path, plan: str, **options: Any) -> Any:
    return convert(Job(str(source), str(target), map=plan, **options))


def identical(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert set(one) == set(two)
    for name, value in one.items():
        assert value.dtype == two[name].dtype and value.shape == two[name].shape, name
        assert torch.equal(value.contiguous().view(-1).view(torch.uint8), two[name].reshape(-1).view(torch.uint8)), name


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors"])
def test_every_format_and_dtype_comes_back_bit_by_bit(kind: str, dtype: Any, tmp_path: Path, plan: str) -> None:
    source, between = tmp_path / f"in.{'pt' if kind == 'legacy' else kind}", tmp_path / "k.weights.h5"
    if kind == "safetensors":
        safetensors.save_file({k: v.clone().contiguous() for k, v in state(dtype).items()}, source)
    else:
        torch.save(OrderedDict(state(dtype)), source, **(LEGACY if kind == "legacy" else {}))
    result = go(source, between, plan)
    assert result.ok and result.moves.aside == ["bn.num_batches_tracked"]
    for target in (tmp_path / "out.pt", tmp_path / "out.safetensors"):
        assert go(between, target, plan).ok
        load = torch.load if target.suffix == ".pt" else safetensors.load_file
        identical(state(dtype), load(target, weights_only=True) if load is torch.load else load(target))
    with h5py.File(between) as file:
        assert file["fc/vars"].attrs["name"] == "dense_3"
        assert file["dropout/seed_generator/vars/0"][()].tolist() == [1, 2]
        if dtype is torch.float32:
            np.testing.assert_array_equal(file["fc/vars/0"][()], state()["fc.weight"].numpy().T)


def test_values_in_a_written_file_are_aligned_so_that_they_can_be_mapped(tmp_path: Path, plan: str) -> None:
    torch.save(state(), tmp_path / "in.pt")
    assert go(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan).ok
    assert go(tmp_path / "k.weights.h5", tmp_path / "out.pt", plan).ok
    identical(state(), torch.load(tmp_path / "out.pt", weights_only=True, mmap=True))
    with zipfile.ZipFile(tmp_path / "out.pt") as archive:
        assert archive.testzip() is None
    for value in read_torch(str(tmp_path / "out.pt")).values():
        assert value.load().offset % 64 == 0 if hasattr(value.load(), "offset") else True


def test_large_arrays_travel_in_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plan: str) -> None:
    torch.save(state(), tmp_path / "in.pt")
    for size in (8, 40, 100):
        monkeypatch.setattr(arrays, "PIECE", size)
        monkeypatch.setattr(arrays, "STRIP", 2)
        assert max(p.nbytes for p in arrays.pieces(np.ones((7, 3, 5), "float32").T)) <= size
        assert go(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, force=True).ok
        assert go(tmp_path / "k.weights.h5", tmp_path / "out.pt", plan, force=True).ok
        identical(state(), torch.load(tmp_path / "out.pt", weights_only=True))


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((3, 40, 50), (2, 1, 0)), ((50, 40, 3), (2, 1, 0)), ((2, 3, 33, 50), (3, 2, 0, 1)),
        ((50, 33, 2, 3), (2, 3, 1, 0)), ((3, 3, 64, 1), (2, 3, 0, 1)), ((60, 7), (1, 0)), ((7, 60), (1, 0)),
        ((5, 1, 50, 40), (2, 0, 3, 1)), ((0, 50, 40), (2, 1, 0)), ((1, 1, 40), (2, 1, 0)),
        ((4, 40, 5, 50, 2), (3, 1, 4, 0, 2)),
    ],
)  # fmt: skip
def test_turned_arrays_are_copied_in_order(
    shape: tuple[int, ...], order: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "STRIP", 16)
    source = np.random.default_rng(1).standard_normal(shape, "float32").transpose(order)
    for array in (source, source[1::2], source[::-1]):
        found = [piece.copy() for piece in arrays.pieces(array)]
        np.testing.assert_array_equal(np.concatenate(found or [np.zeros(0, "float32")]), array.reshape(-1))


@pytest.mark.parametrize("name", ["out.pt", "out.safetensors"])
def test_a_new_file_is_whole_on_the_disk(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plan: str
) -> None:
    flushes: list[tuple[int, int]] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        told = os.fstat(handle)
        flushes.append((told.st_ino, told.st_size))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(flush, "EVERY", 1)
    torch.save(state(), tmp_path / "in.pt")
    for source, target in (("in.pt", "k.weights.h5"), ("k.weights.h5", name)):
        assert go(tmp_path / source, tmp_path / target, plan).ok
        told = (tmp_path / target).stat()
        assert [size for inode, size in flushes if inode == told.st_ino][-1] == told.st_size
        assert len(flushes) > 1
        flushes.clear()


def test_shards_are_read_as_one(tmp_path: Path, plan: str) -> None:
    held = {k: v.clone().contiguous() for k, v in state().items()}
    names = list(held)
    safetensors.save_file({k: held[k] for k in names[:2]}, tmp_path / "a-1.safetensors")
    safetensors.save_file({k: held[k] for k in names[2:]}, tmp_path / "a-2.safetensors")
    index = tmp_path / "a.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {k: f"a-{1 + (i > 1)}.safetensors" for i, k in enumerate(names)}}))
    assert go(index, tmp_path / "k.weights.h5", plan).ok
    for bad in ("../a-1.safetensors", "/etc/passwd", "", None, "gone.safetensors"):
        index.write_text(json.dumps({"weight_map": {"fc.weight": bad}}))
        refused(index, tmp_path / "no.weights.h5", plan, "XL060")


@pytest.mark.parametrize(
    ("held", "key"),
    [
        ({"state_dict": state(), "epoch": 3, "args": {"lr": 0.1}}, None),
        ({"model": state(), "ema": state()}, None),
        ({"a": {"b": state()}, "other": state()}, "a.b"),
        ({f"module.{k}": v for k, v in state().items()}, None),
        ({"best": np.float64(0.5), "model_state_dict": {f"_orig_mod.{k}": v for k, v in state().items()}}, None),
        ({k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state().items()}, None),
    ],
)
def test_the_state_dict_is_found(held: Any, key: str | None, tmp_path: Path, plan: str) -> None:
    torch.save(held, tmp_path / "in.pt")
    assert go(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, key=key).ok


# -- what does not fit, and what is hostile -------------------------------------------------------------------------


def refused(source: Path, target: Path, plan: str, code: str, *options: str) -> str:
    """The one line that the command says; nothing was written."""
    before = sorted(os.listdir(source.parent))
    done = CliRunner().invoke(root, ["weights", str(source), str(target), "--map", plan, *options],
                              standalone_mode=False)  # fmt: skip
    assert done.exception is None, done.exception
    assert done.return_value == (1 if code == "XL062" else 3), done.output
    assert not target.exists()
    assert sorted(os.listdir(source.parent)) == before
    first, *more = done.stderr.strip().splitlines()
    assert first.startswith(f"{code} "), done.stderr
    assert code == "XL062" or not more
    return done.stderr


class Evil:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call = call, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_code_in_a_pickle_is_not_run(legacy: bool, wrapped: bool, tmp_path: Path, plan: str) -> None:
    mark = tmp_path / "ran"
    for evil in (Evil(os.mkdir, str(mark)), Evil(eval, f"__import__('os').mkdir({str(mark)!r})"),
                 Evil(getattr, "x", "upper"), torch.nn.Linear(2, 3)):  # fmt: skip
        torch.save({**state(), "x": evil} if wrapped else evil, tmp_path / "in.pt", **(LEGACY if legacy else {}))
        said = refused(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, "XL061")
        assert "runs code" in said and "state_dict" in said
        assert not mark.exists()


def test_a_bare_pickle_is_no_checkpoint(tmp_path: Path, plan: str) -> None:
    mark = tmp_path / "ran"
    for data in (pickle.dumps(Evil(os.mkdir, str(mark))), pickle.dumps({"a": 1}), b"", b"PK", b"hello", b"\x80"):
        (tmp_path / "in.pt").write_bytes(data)
        refused(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, "XL061" if b"mkdir" in data else "XL060")
        assert not mark.exists()


def written(kind: str, folder: Path, plan: str) -> Path:
    """A good file of each format."""
    path = folder / {"legacy": "in.pt", "keras": "in.keras", "h5": "in.weights.h5"}.get(kind, f"in.{kind}")
    if kind == "safetensors":
        safetensors.save_file({k: v.clone().contiguous() for k, v in state().items()}, path)
    elif kind in ("pt", "legacy"):
        torch.save(state(), path, **(LEGACY if kind == "legacy" else {}))
    else:
        torch.save(state(), folder / "good.pt")
        h5 = folder / "in.weights.h5"
        assert go(folder / "good.pt", h5, plan).ok
        if kind == "keras":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("config.json", "{}")
                archive.write(h5, "model.weights.h5")
    return path


@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors", "h5", "keras"])
def test_a_file_that_is_cut_short_is_refused(kind: str, tmp_path: Path, plan: str) -> None:
    path = written(kind, tmp_path, plan)
    data = path.read_bytes()
    target = tmp_path / ("k.weights.h5" if kind in ("pt", "legacy", "safetensors") else "out.pt")
    assert go(path, target, plan).ok
    target.unlink()
    for size in (0, 1, 7, 100, len(data) // 3, len(data) // 2, len(data) - 200, len(data) - 1):
        path.write_bytes(data[:size])
        refused(path, target, plan, "XL060")


@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors", "h5", "keras"])
def test_a_damaged_file_never_ends_in_a_traceback(kind: str, tmp_path: Path, plan: str) -> None:
    path = written(kind, tmp_path, plan)
    data = path.read_bytes()
    target = tmp_path / ("k.weights.h5" if kind in ("pt", "legacy", "safetensors") else "out.pt")
    rng = np.random.default_rng(0)
    failures = 0
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 1500), 4):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            failures += not go(path, target, plan, force=True).ok
        except InputError:
            failures += 1
    assert failures


def test_a_header_that_lies_is_refused(tmp_path: Path, plan: str) -> None:
    path, target = tmp_path / "in.safetensors", tmp_path / "k.weights.h5"

    def put(header: Any, values: bytes = bytes(64)) -> None:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + values)

    good = {"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}
    for change in (
        {"shape": [500]}, {"shape": [-5]}, {"data_offsets": [0, 10**18]}, {"data_offsets": [20, 0]}, {"dtype": "X9"},
        {"shape": [2**62, 4]}, {"shape": "5"}, {"data_offsets": [60, 80]}, {"shape": [5.0]}, {"data_offsets": None},
    ):  # fmt: skip
        put({"fc.bias": {**good, **change}})
        refused(path, target, plan, "XL060")
    for header in (b"[" * 100_000, b"\xff\xfe", b"[]", b'{"a": 3}'):
        put(header)
        refused(path, target, plan, "XL060")
    path.write_bytes(struct.pack("<Q", 2**63))
    refused(path, target, plan, "XL060")


def test_hdf5_files_lead_nowhere_else(tmp_path: Path, plan: str) -> None:
    path, target = tmp_path / "in.weights.h5", tmp_path / "out.pt"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(5, "float32")

    def put(make: Any) -> None:
        with h5py.File(path, "w") as file:
            make(file.create_group("fc/vars"))

    def external(group: Any) -> None:
        group["1"] = h5py.ExternalLink("other.h5", "x")

    def soft(group: Any) -> None:
        group["0"] = np.ones(5)
        group["1"] = h5py.SoftLink("/fc/vars/0")

    def outside(group: Any) -> None:
        group.create_dataset("1", (5,), "f4", external=[(str(tmp_path / "other.h5"), 0, 20)])

    def virtual(group: Any) -> None:
        layout = h5py.VirtualLayout((5,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (5,))
        group.create_virtual_dataset("1", layout)

    def bomb(group: Any) -> None:
        group.create_dataset("1", (2**34,), "f4", chunks=(2**20,), compression="gzip")

    def words(group: Any) -> None:
        group["1"] = ["a", "b"]

    for make in (external, soft, outside, virtual, bomb, words):
        put(make)
        refused(path, target, plan, "XL060")


def test_nan_is_refused_unless_it_is_allowed(tmp_path: Path, plan: str) -> None:
    for dtype in DTYPES:
        held = state(dtype)
        held["fc.bias"][3] = float("nan")
        torch.save(held, tmp_path / "in.pt")
        assert "fc/vars/1 holds NaN" in refused(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, "XL063")
    held["fc.bias"][3] = float("-inf")  # masks hold it
    torch.save(held, tmp_path / "in.pt")
    assert go(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan).ok
    held["fc.bias"][3] = float("nan")
    torch.save(held, tmp_path / "in.pt")
    assert go(tmp_path / "in.pt", tmp_path / "n.weights.h5", plan, nan=True).ok


def test_another_model_is_refused_with_what_differs(tmp_path: Path, plan: str) -> None:
    held = state()
    held["fc.bias"] = torch.ones(6)
    held["head.weight"] = torch.ones(2)
    del held["fc.weight"]
    torch.save(held, tmp_path / "in.pt")
    said = refused(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, "XL062")
    assert "3 arrays; nothing was written" in said
    for line in (
        "fc.bias is [6] in the checkpoint and [5] in the model",
        "fc.weight: the model has it, the checkpoint lacks it",
        "head.weight: the checkpoint holds it, the model lacks it",
    ):
        assert f"  {line}\n" in said
    result = go(tmp_path / "in.pt", tmp_path / "k.weights.h5", plan, partial=True)
    assert result.written and not result.ok
    assert {n for n in read_keras(str(tmp_path / "k.weights.h5")) if n.startswith(("fc", "conv"))} == {"conv/vars/0"}


def test_nothing_is_overwritten_unasked(tmp_path: Path, plan: str) -> None:
    torch.save(state(), tmp_path / "in.pt")
    target = tmp_path / "k.weights.h5"
    target.write_text("precious")
    for extra, code in ((["--save-map", plan], 3), ([], 3), (["--force"], 0)):
        done = CliRunner().invoke(
            root, ["weights", str(tmp_path / "in.pt"), str(target), "--map", plan, *extra], standalone_mode=False
        )
        assert done.return_value == code, done.output
        assert (target.read_bytes() == b"precious") == (code != 0)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".xlate")]


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("a.pt", "b.pth", "both files are PyTorch's"),
        ("a.pt", "b.h5", "named NAME.weights.h5"),
        ("a.npz", "b.weights.h5", "no format that is known"),
        ("a.keras", "b.txt", "no format that is known"),
    ],
)
def test_names_say_which_way_it_goes(source: str, target: str, said: str, plan: str, tmp_path: Path) -> None:
    (tmp_path / source).write_bytes(b"x")
    done = CliRunner().invoke(root, ["weights", str(tmp_path / source), str(tmp_path / target), "--map", plan])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_no_framework_is_imported_where_a_map_is_there(tmp_path: Path, plan: str) -> None:
    torch.save(state(), tmp_path / "in.pt")
    code = (
        "import sys; from translator.checkpoints.convert import Job, convert; "
        f"assert convert(Job({str(tmp_path / 'in.pt')!r}, {str(tmp_path / 'k.weights.h5')!r}, map={plan!r})).ok; "
        "assert not {'torch', 'tensorflow', 'keras', 'libcst'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(SRC)})


def test_older_keras_files_are_read_by_position(tmp_path: Path) -> None:
    plan = Plan(
        links=[Link([[f"{n}.weight"]], [f"layers/{n}/vars/0"], [(2, 3)], (3, 2), "linear") for n in ("a", "b")],
        layers=[[["layers/a/vars/0"]], [["layers/b/vars/0"]]],
    )
    (tmp_path / "map.json").write_text(plan.text(), "utf-8")
    values = [np.arange(6, dtype="float32").reshape(3, 2) + i for i in range(2)]
    for name, inside in (("whole.h5", "model_weights"), ("weights.h5", "")):
        with h5py.File(tmp_path / name, "w") as file:
            group = file.create_group(inside) if inside else file
            group.attrs["layer_names"] = [b"input", b"dense_7", b"dense_8"]
            group.create_group("input").attrs["weight_names"] = np.zeros(0, "S1")
            for layer, value in zip(("dense_7", "dense_8"), values, strict=True):
                group.create_group(layer).attrs["weight_names"] = [f"{layer}/kernel:0".encode()]
                group[f"{layer}/{layer}/kernel:0"] = value
        out = tmp_path / f"{name}.pt"
        assert go(tmp_path / name, out, str(tmp_path / "map.json")).ok
        found = torch.load(out, weights_only=True)
        for key, value in zip("ab", values, strict=True):
            np.testing.assert_array_equal(found[f"{key}.weight"].numpy(), value.T)


def test_biases_that_keras_adds_up_are_added(tmp_path: Path) -> None:
    names = [["rnn.bias_ih_l0"], ["rnn.bias_hh_l0"]]
    plan = Plan(links=[Link(names, ["lstm/vars/2"], [(8,), (8,)], (8,), "bias LSTM")])
    (tmp_path / "map.json").write_text(plan.text(), "utf-8")
    one, two = torch.randn(8), torch.randn(8)
    torch.save({"rnn.bias_ih_l0": one, "rnn.bias_hh_l0": two}, tmp_path / "in.pt")
    result = go(tmp_path / "in.pt", tmp_path / "k.weights.h5", str(tmp_path / "map.json"))
    assert result.ok and result.moves.added == ["rnn.bias_hh_l0"]
    np.testing.assert_array_equal(read_keras(str(tmp_path / "k.weights.h5"))["lstm/vars/2"].load(), (one + two).numpy())


def test_bfloat16_is_written_as_keras_writes_it(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    with keras.device("cpu"):
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(5, dtype="bfloat16")])
    values = np.random.default_rng(0).standard_normal((3, 5)).astype(ml_dtypes.bfloat16)
    held = [arrays.Stored("layers/dense/vars/0", "bfloat16", (3, 5), lambda: values),
            arrays.Stored("layers/dense/vars/1", "bfloat16", (5,), lambda: values[0])]  # fmt: skip
    own = KerasWriter(str(tmp_path / "w.weights.h5"), held, {})
    for one in held:
        own.begin(one)
        own.piece(one.load().reshape(-1))
    own.close()
    model.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(np.asarray(model.layers[0].kernel.value).view("u2"), values.view("u2"))
    model.save_weights(tmp_path / "theirs.weights.h5")
    theirs = read_keras(str(tmp_path / "theirs.weights.h5"))["layers/dense/vars/0"]
    assert theirs.dtype == "bfloat16"
    np.testing.assert_array_equal(theirs.load().view("u2"), values.view("u2"))
