"""Weights put into an ONNX graph that ships without them, and the metadata of a graph, without the package onnx.

An ONNX file is one message of Protocol Buffers. A message is a row of fields: a key, which is 8 · number + kind, and a value.
Only fields of two kinds matter here: whole numbers (0), and bytes with their length before them (2), which texts and inner
messages are too. All else is copied as it is. (https://protobuf.dev/programming-guides/encoding; numbers: onnx.proto)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError

WEIGHT_PREFIX = "core_network."
"""Graphs have this before the names of weights."""
MODEL_GRAPH, MODEL_METADATA = 7, 14
GRAPH_CONSTANT = 5
TENSOR_NAME, TENSOR_BYTES, TENSOR_PLACE, TENSOR_IS_OUTSIDE = 8, 9, 13, 14
WHOLE_NUMBER, EIGHT_BYTES, LENGTH_AND_BYTES, FOUR_BYTES = 0, 1, 2, 5
"""Kinds of values."""


def with_weights(graph: bytes, weights: Mapping[str, NDArray[Any]]) -> bytes:
    """The graph with these values in its constants of the same names, which it said lie outside.

    Args:
        graph: an ONNX file.
        weights: name of a constant → its values, floats or int8 of the shape that the graph says.

    Raises:
        UnnoiseError: the graph is damaged, or a constant that lies outside has no values here.

    >>> import onnx.parser
    >>> text = '<ir_version: 10, opset_import: ["" : 18]> g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }'
    >>> graph = onnx.parser.parse_model(text)
    >>> graph.graph.initializer[0].ClearField("float_data")
    >>> graph.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    >>> whole = onnx.load_from_string(with_weights(graph.SerializeToString(), {"w": np.array([3, 4], np.float32)}))
    >>> onnx.numpy_helper.to_array(whole.graph.initializer[0])
    array([3., 4.], dtype=float32)
    """
    found = []
    for number, value, field in _fields(graph):
        found.append(field if number != MODEL_GRAPH else _bytes_field(number, _filled(value, weights)))
    return b"".join(found)


def metadata_of(graph: bytes) -> dict[str, str]:
    """The `metadata_props` of an ONNX file. Raises `UnnoiseError` if it is none.

    >>> import onnx.parser
    >>> text = '<ir_version: 10, opset_import: ["" : 18], metadata_props: ["halo": "8"]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
    >>> metadata_of(onnx.parser.parse_model(text).SerializeToString())
    {'halo': '8'}
    """
    entries = [_parts(value) for number, value, _ in _fields(graph) if number == MODEL_METADATA]
    return {_text(entry.get(1, b"")): _text(entry.get(2, b"")) for entry in entries}


def _filled(graph: bytes, weights: Mapping[str, NDArray[Any]]) -> bytes:
    found = []
    for number, tensor, field in _fields(graph):
        if number == GRAPH_CONSTANT:
            parts = _parts(tensor)
            if parts.get(TENSOR_IS_OUTSIDE):
                name = _text(parts.get(TENSOR_NAME))
                if name not in weights:
                    raise UnnoiseError(f"The graph needs the weights '{name}', which the model file lacks; get the file again.")
                kept = [each for part, _, each in _fields(tensor) if part not in (TENSOR_PLACE, TENSOR_IS_OUTSIDE)]
                kind = np.dtype("i1" if weights[name].dtype == np.int8 else "<f4")
                values = np.ascontiguousarray(weights[name], kind).tobytes()
                field = _bytes_field(number, b"".join(kept) + _bytes_field(TENSOR_BYTES, values))
        found.append(field)
    return b"".join(found)


def _text(value: Any) -> str:
    """Bytes of UTF-8 as text; of a number, `bytes` would make so many zeros."""
    if not isinstance(value, bytes | memoryview):
        raise _damaged()
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise _damaged() from None


def _damaged() -> UnnoiseError:
    return UnnoiseError("This is no ONNX file, or a damaged one; get it again, or write it anew.")


def _parts(message: Any) -> dict[int, Any]:
    """The value of each field by its number."""
    return {number: value for number, value, _ in _fields(message)}


def _fields(message: Any) -> Iterator[tuple[int, Any, bytes]]:
    """Each field's number, its value (a number or bytes), and the whole field as it stands."""
    if not isinstance(message, bytes | memoryview):
        raise _damaged()
    view, place = memoryview(message), 0
    try:
        while place < len(view):
            start = place
            key, place = _whole_number(view, place)
            kind = key & 7
            value: Any = None
            if kind == WHOLE_NUMBER:
                value, place = _whole_number(view, place)
            elif kind == LENGTH_AND_BYTES:
                length, place = _whole_number(view, place)
                value, place = view[place : place + length], place + length
            elif kind in (EIGHT_BYTES, FOUR_BYTES):
                place += 8 if kind == EIGHT_BYTES else 4
            else:
                raise IndexError
            if place > len(view):
                raise IndexError
            yield key >> 3, value, bytes(view[start:place])
    except IndexError:
        raise _damaged() from None


def _whole_number(view: memoryview, place: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, the lowest first; and the place behind it."""
    value = shift = 0
    while True:
        byte = view[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _bytes_field(number: int, value: bytes) -> bytes:
    return _coded(number << 3 | LENGTH_AND_BYTES) + _coded(len(value)) + value


def _coded(value: int) -> bytes:
    """A whole number as Protocol Buffers write it."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
