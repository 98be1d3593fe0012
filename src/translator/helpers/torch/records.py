"""TensorFlow's record files and the examples in them, without TensorFlow."""

import gzip
import struct

import torch

from .dataset import Dataset

CRC_TABLE = []


def crc32c(data):
    """The Castagnoli checksum of bytes, rotated and shifted as record files keep it."""
    if not CRC_TABLE:
        for value in range(256):
            for _ in range(8):
                value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
            CRC_TABLE.append(value)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class TFRecordWriter:
    """Writes records (bytes) to a file."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def write(self, record):
        for part in (struct.pack("<Q", len(record)), record):
            self.file.write(part + struct.pack("<I", crc32c(part)))

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def records(path, compression_type=None):
    """The records of a file; their checksums are not looked at.

    Raises:
        ValueError: if the file ends within a record.
    """
    with (gzip.open if compression_type == "GZIP" else open)(path, "rb") as data:
        while head := data.read(12):
            record = data.read(struct.unpack("<Q", head[:8])[0]) if len(head) == 12 else b""
            if len(head) < 12 or len(data.read(4)) < 4:
                raise ValueError(f"{path} ends within a record")
            yield record


def TFRecordDataset(filenames, compression_type=None):
    """The records of one file or of several, one after the other."""
    paths = [filenames] if isinstance(filenames, (str, bytes)) or hasattr(filenames, "__fspath__") else filenames
    return Dataset(lambda: (record for path in paths for record in records(path, compression_type)))


def varint(data, at):
    """A number of variable length, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def parts(data):
    """The fields of a protocol buffer message: number and content."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 5:
            value, at = data[at : at + 4], at + 4
        else:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def listed(kind, data):
    """The values of a feature: bytes (1), floats (2) or integers (3)."""
    values = []
    for _, value in parts(data):
        if kind == 1:
            values.append(value)
        elif kind == 2:
            values += struct.unpack(f"<{len(value) // 4}f", value)
        else:
            numbers, at = ([], 0) if isinstance(value, bytes) else ([value], 0)
            while isinstance(value, bytes) and at < len(value):
                number, at = varint(value, at)
                numbers.append(number)
            values += [n - (1 << 64) if n >> 63 else n for n in numbers]
    return values


class FixedLenFeature:
    """What a feature of an example holds: its shape, its type (`bytes`: texts), and what it is where it is missing."""

    def __init__(self, shape, dtype, default_value=None):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.default_value = default_value


def parse_single_example(serialized, features):
    """The features of an example by name: tensors, or bytes.

    Raises:
        ValueError: if a feature is missing, or holds another number of values or other kinds of values.
    """
    found = {}
    for _, group in parts(serialized):
        for _, entry in parts(group):
            pair = dict(parts(entry))
            kind, data = next(parts(pair.get(2, b"")), (0, b""))
            found[pair[1].decode()] = (kind, listed(kind, data))
    out = {}
    for name, feature in features.items():
        kind, values = found.get(name, (0, []))
        if not kind and feature.default_value is not None:
            out[name] = feature.default_value
            if feature.dtype is not bytes:
                out[name] = torch.tensor(out[name], dtype=feature.dtype).expand(feature.shape)
            continue
        expected = {bytes: 1, torch.float32: 2, torch.int64: 3}[feature.dtype]
        count = 1
        for size in feature.shape:
            count *= size
        if kind != expected or len(values) != count:
            raise ValueError(f"feature {name!r}: {len(values)} values of kind {kind}, not {count} of kind {expected}")
        if feature.dtype is bytes:
            out[name] = values[0] if not feature.shape else values
        else:
            out[name] = torch.tensor(values, dtype=feature.dtype).reshape(feature.shape)
    return out


def decode_raw(data, dtype):
    """Bytes as numbers of a type."""
    return torch.frombuffer(bytearray(data), dtype=dtype)


def numbered(value):
    """A number as a protocol buffer holds it."""
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, data):
    """A field of a protocol buffer message."""
    return numbered(number << 3 | 2) + numbered(len(data)) + data


class BytesList:
    """Texts of a feature."""

    number = 1

    def __init__(self, value=()):
        self.data = b"".join(field(1, bytes(v)) for v in value)


class FloatList:
    """Numbers of a feature."""

    number = 2

    def __init__(self, value=()):
        value = [float(v) for v in value]
        self.data = field(1, struct.pack(f"<{len(value)}f", *value)) if value else b""


class Int64List:
    """Whole numbers of a feature."""

    number = 3

    def __init__(self, value=()):
        numbers = b"".join(numbered(int(v)) for v in value)
        self.data = field(1, numbers) if numbers else b""


class Feature:
    """One list of values."""

    def __init__(self, bytes_list=None, float_list=None, int64_list=None):
        self.values = next(v for v in (bytes_list, float_list, int64_list) if v is not None)


class Features:
    """Features by name."""

    def __init__(self, feature=None):
        self.feature = dict(feature or {})


class Example:
    """A record of features."""

    def __init__(self, features=None):
        self.features = features

    def SerializeToString(self):
        out = b""
        for name, feature in self.features.feature.items():
            content = field(feature.values.number, feature.values.data)
            out += field(1, field(1, name.encode()) + field(2, content))
        return field(1, out)
