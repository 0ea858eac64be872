"""Read checkpoints of TensorFlow 1 without TensorFlow: arrays by name, and the operators of the graph.

``.index`` is a sorted table in blocks whose keys share prefixes (the table format of LevelDB), one entry per array;
``.data-00000-of-00001`` has their bytes, little-endian; ``.meta`` is a protocol buffer of the graph. Nothing is
unpickled or executed.

References
----------
TensorFlow, ``core/util/tensor_bundle/tensor_bundle.h``, ``core/protobuf/tensor_bundle.proto``,
``core/protobuf/meta_graph.proto``, ``core/framework/node_def.proto``.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ostinato.errors import DataError

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
TRAILER = 5
"""Bytes after a block: its compression and a checksum."""
DTYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(name) for number, name in ((1, "<f4"), (2, "<f8"), (3, "<i4"), (9, "<i8"), (10, "?"))
}
"""By TensorFlow's number of the type; other arrays are skipped."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DAMAGE = (struct.error, IndexError, KeyError, ValueError, UnicodeDecodeError)

Field: TypeAlias = "int | bytes"


class Node(NamedTuple):
    """An operator of a graph: name, type, inputs and raw attributes."""

    name: str
    type: str
    inputs: tuple[str, ...]
    attributes: dict[str, bytes]

    def integers(self, attribute: str) -> tuple[int, ...]:
        """Return an attribute that is a list of integers."""
        values = dict(_fields(self.attributes[attribute])).get(1, b"")
        packed = b"".join(v for n, v in _fields(_bytes(values)) if n == 3 and isinstance(v, bytes))
        loose = tuple(v for n, v in _fields(_bytes(values)) if n == 3 and isinstance(v, int))
        return loose or tuple(_varints(packed))


def read_arrays(index: bytes, data: bytes, source: str) -> dict[str, np.ndarray]:
    """Read the arrays of a checkpoint.

    Parameters
    ----------
    index, data : bytes
        Contents of ``.index`` and ``.data-00000-of-00001``.
    source : str
        Origin, for messages.

    Returns
    -------
    dict of str to np.ndarray

    Raises
    ------
    DataError
        If they are not a checkpoint, or are damaged.
    """
    try:
        return dict(_read_arrays(index, data))
    except DAMAGE as error:
        raise DataError(f"{source}: is not a readable checkpoint of TensorFlow ({error}); download it again") from error


def read_nodes(meta: bytes, source: str) -> list[Node]:
    """Read the operators of a graph.

    Parameters
    ----------
    meta : bytes
        Contents of ``.meta``.
    source : str
        Origin, for messages.

    Returns
    -------
    list of Node
        In the order of the file.

    Raises
    ------
    DataError
        If it is not a graph, or is damaged.
    """
    try:
        graphs = [_bytes(value) for number, value in _fields(meta) if number == 2]
        return [_read_node(_bytes(value)) for graph in graphs for number, value in _fields(graph) if number == 1]
    except DAMAGE as error:
        raise DataError(f"{source}: is not a readable graph of TensorFlow ({error}); download it again") from error


def _read_arrays(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and arrays."""
    if len(index) < FOOTER or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise ValueError("its index has another ending")
    _, offset = _handle(index[-FOOTER:], 0)  # the table of the table's own metadata comes first
    handle, _ = _handle(index[-FOOTER:], offset)
    for _, value in _entries(_block(index, *handle)):
        for name, entry in _entries(_block(index, *_handle(value, 0)[0])):
            fields = dict(_fields(entry))
            dtype = DTYPES.get(_integer(fields.get(1, 0)))
            if not name or dtype is None:  # the empty name is the header
                continue
            sizes = [dict(_fields(_bytes(v))) for n, v in _fields(_bytes(fields.get(2, b""))) if n == 2]
            shape = [_integer(size.get(1, 0)) for size in sizes]
            start, n_bytes = _integer(fields.get(4, 0)), _integer(fields.get(5, 0))
            if start + n_bytes > len(data):
                raise ValueError(f"{name.decode()} is beyond the end of its data")
            yield name.decode(), np.frombuffer(data[start : start + n_bytes], dtype).reshape(shape)


def _block(table: bytes, start: int, size: int) -> bytes:
    """Return a block of a table."""
    if start + size + TRAILER > len(table):
        raise ValueError("a block is beyond the end")
    if table[start + size]:
        raise ValueError("a block is compressed")
    return table[start : start + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; keys share a prefix with the one before."""
    (n_restarts,) = struct.unpack("<I", block[-4:])
    end, offset, key = len(block) - 4 * (n_restarts + 1), 0, b""
    while offset < end:
        n_shared, offset = _varint(block, offset)
        n_rest, offset = _varint(block, offset)
        size, offset = _varint(block, offset)
        key = key[:n_shared] + block[offset : offset + n_rest]
        yield key, block[offset + n_rest : offset + n_rest + size]
        offset += n_rest + size


def _handle(content: bytes, offset: int) -> tuple[tuple[int, int], int]:
    """Read start and size of a block, and the offset of the next handle."""
    start, offset = _varint(content, offset)
    size, offset = _varint(content, offset)
    return (start, size), offset


def _read_node(content: bytes) -> Node:
    """Read an operator."""
    fields = list(_fields(content))
    texts = {number: _bytes(value).decode() for number, value in fields if number in (1, 2)}
    inputs = tuple(_bytes(value).decode() for number, value in fields if number == 3)
    pairs = (dict(_fields(_bytes(value))) for number, value in fields if number == 5)
    attributes = {_bytes(pair[1]).decode(): _bytes(pair.get(2, b"")) for pair in pairs}
    return Node(texts.get(1, ""), texts.get(2, ""), inputs, attributes)


def _fields(content: bytes) -> Iterator[tuple[int, Field]]:
    """Yield numbers and values of a protocol buffer's fields."""
    offset = 0
    while offset < len(content):
        tag, offset = _varint(content, offset)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, offset = _varint(content, offset)
            yield number, value
            continue
        if wire not in (FIXED64, BYTES, FIXED32):
            raise ValueError(f"a field of wire type {wire}")
        size, offset = _varint(content, offset) if wire == BYTES else ({FIXED64: 8, FIXED32: 4}[wire], offset)
        if offset + size > len(content):
            raise ValueError("a field is beyond the end")
        yield number, content[offset : offset + size]
        offset += size


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    """Read an integer of seven bits per byte, and the offset of the next one."""
    value, shift = 0, 0
    while True:
        byte = content[offset]
        value |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            return value, offset


def _varints(content: bytes) -> Iterator[int]:
    """Yield the integers of a packed list."""
    offset = 0
    while offset < len(content):
        value, offset = _varint(content, offset)
        yield value


def _integer(field: Field) -> int:
    """Return an integer field."""
    if not isinstance(field, int):
        raise ValueError("bytes where a number belongs")
    return field


def _bytes(field: Field) -> bytes:
    """Return a bytes field."""
    if not isinstance(field, bytes):
        raise ValueError("a number where bytes belong")
    return field
