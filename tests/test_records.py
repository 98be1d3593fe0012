"""Record files that the helpers write are read by TensorFlow, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_both_read_what_the_other_wrote(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    from translator.helpers.torch import records as ours

    numbers, floats, texts = [0, -1, 300, 2**40], [0.5, -2.25], [b"", b"one\x00two"]
    path = str(tmp_path / "ours.tfrecord")
    made = ours.Features(
        feature={
            "n": ours.Feature(int64_list=ours.Int64List(value=numbers)),
            "f": ours.Feature(float_list=ours.FloatList(value=floats)),
            "t": ours.Feature(bytes_list=ours.BytesList(value=texts)),
        }
    )
    with ours.TFRecordWriter(path) as writer:
        for _ in range(2):
            writer.write(ours.Example(features=made).SerializeToString())
    found = [tf.train.Example.FromString(bytes(r.numpy())) for r in tf.data.TFRecordDataset(path)]
    assert len(found) == 2
    feature = found[1].features.feature
    assert list(feature["n"].int64_list.value) == numbers
    assert list(feature["f"].float_list.value) == floats
    assert list(feature["t"].bytes_list.value) == texts

    theirs = str(tmp_path / "theirs.tfrecord.gz")
    with tf.io.TFRecordWriter(theirs, "GZIP") as writer:
        writer.write(found[0].SerializeToString())
    features = {
        "n": ours.FixedLenFeature([2, 2], torch.int64),
        "f": ours.FixedLenFeature([2], torch.float32),
        "t": ours.FixedLenFeature([2], bytes),
        "missing": ours.FixedLenFeature([], torch.int64, 7),
    }
    (record,) = ours.TFRecordDataset([theirs], "GZIP")
    out = ours.parse_single_example(record, features)
    assert out["n"].tolist() == [[0, -1], [300, 2**40]]
    assert out["f"].tolist() == floats and out["t"] == texts and int(out["missing"]) == 7
    for wrong in ({"n": ours.FixedLenFeature([3], torch.int64)}, {"gone": ours.FixedLenFeature([], torch.int64)}):
        with pytest.raises(ValueError, match="values of kind"):
            ours.parse_single_example(record, wrong)


def test_a_file_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from translator.helpers.torch import records as ours

    path = tmp_path / "cut.tfrecord"
    with ours.TFRecordWriter(path) as writer:
        writer.write(b"twelve bytes")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="ends within a record"):
        list(ours.TFRecordDataset(path))
