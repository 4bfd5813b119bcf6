"""Refuse ONNX files that a runtime should not load, by their bytes.

A file is a protobuf message: numbered fields, some of them messages again (onnx.proto, version 1). Fields are checked
that could make a runtime read another file, run other code, load further graphs or fill the memory with text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 1 << 28  # of a file; our largest model has 2 MB
MAX_FIELDS = 200_000  # of all messages together; a weight array counts as one

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; ONNX does not use the two others, groups
MESSAGES = {  # (message, field number) → the message in the field
    ("model", 7): "graph",
    ("model", 8): "opset",
    ("model", 14): "fact",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 10): "tensor",
}
REFUSED = {
    ("model", 20): "a training graph",
    ("model", 25): "functions of its own",
    ("graph", 15): "sparse weights",
    ("attribute", 6): "a graph inside an operator",
    ("attribute", 11): "a graph inside an operator",
    ("attribute", 22): "sparse weights",
    ("attribute", 23): "sparse weights",
    ("tensor", 6): "text",
    ("tensor", 13): "weights in another file",
    ("tensor", 14): "weights in another file",
}
ALLOWED = {
    ("opset", 1): ("operators of", rb"(ai\.onnx)?"),
    ("node", 7): ("an operator of", rb"(ai\.onnx)?"),
    ("node", 4): ("the operator", rb"(?!String).*"),  # no limit of memory holds for text
    ("attribute", 1): ("the attribute", rb"(?!value_string).*"),
    ("fact", 1): ("the metadata", rb"patch|cell|margin"),  # a runtime may interpret others
}


class OnnxFileError(Exception):
    """The bytes are no ONNX file, or one that is refused; the message has no path."""


def read(path: Path) -> bytes:
    """The bytes of a file with one graph of standard operators and all weights inside.

    Raises:
        OnnxFileError: says what is refused.
        OSError: the file can't be read.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise OnnxFileError(f"has {size:,} bytes, more than the limit of {MAX_BYTES:,}")
    content = path.read_bytes()
    waiting = [("model", 0, len(content))]
    fields, graphs = 0, 0
    while waiting:
        message, start, stop = waiting.pop()
        graphs += message == "graph"
        for number, kind, value, first, end in _fields(content, start, stop):
            fields += 1
            field = (message, number)
            if fields > MAX_FIELDS:
                raise OnnxFileError(f"has more than {MAX_FIELDS:,} parts")
            if field in REFUSED and value != 0:
                raise OnnxFileError(f"is refused: it holds {REFUSED[field]}")
            if (field in MESSAGES or field in ALLOWED) and kind != BYTES:
                raise OnnxFileError("is no ONNX file")
            if field in ALLOWED:
                what, allowed = ALLOWED[field]
                if not re.fullmatch(allowed, content[first:end], re.DOTALL):
                    raise OnnxFileError(f"is refused: it has {what} {content[first:end][:40]!r}")
            if field in MESSAGES:
                waiting.append((MESSAGES[field], first, end))
    if graphs != 1:
        raise OnnxFileError("is no ONNX file")
    return content


def _fields(content: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int | None, int, int]]:
    """The fields of a message: number, wire type, value if it is a varint, and start and end of its bytes."""
    while start < stop:
        tag, start = _varint(content, start, stop)
        number, kind = tag >> 3, tag & 7
        value = None
        if kind == VARINT:
            value, end = _varint(content, start, stop)
        elif kind == BYTES:
            length, start = _varint(content, start, stop)
            end = start + length
        elif kind in (FIXED32, FIXED64):
            end = start + (4 if kind == FIXED32 else 8)
        else:
            raise OnnxFileError("is no ONNX file")
        if end > stop or not 0 < number < 1 << 29:
            raise OnnxFileError("is no ONNX file, or half of one")
        yield number, kind, value, start, end
        start = end


def _varint(content: bytes, start: int, stop: int) -> tuple[int, int]:
    """A number in base 128, lowest digit first, and its end."""
    value = 0
    for place in range(start, min(stop, start + 10)):
        value |= (content[place] & 127) << 7 * (place - start)
        if content[place] < 128:
            return value, place + 1
    raise OnnxFileError("is no ONNX file, or half of one")
