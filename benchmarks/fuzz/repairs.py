"""Damage that checksums and lengths of a container do not give away, so that it reaches what lies within."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress

PNG = b"\x89PNG\r\n\x1a\n"
LARGEST_HEADER_BYTES = 10**6
Change = Callable[[bytearray], None]


def change_within(data: bytes, change: Change, choice: int) -> bytes:
    """Apply a change to what a container holds, and make its checksums and lengths right again.

    Args:
        data: the file. Where it is no container of a known kind, it is changed as it is.
        change: changes bytes in place.
        choice: which member of an archive is changed.
    """
    if data.startswith(b"PK"):
        return _within_zip(data, change, choice)
    if data.startswith(PNG):
        return _within_png(data, change)
    if b" HTTP/1.1\r\n" in data[:2000]:
        return _within_request(data, change)
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return _within_safetensors(data, change)
    kept = bytearray(data)
    change(kept)
    return bytes(kept)


def _within_zip(data: bytes, change: Change, choice: int) -> bytes:
    """An archive with one member changed: of a checkpoint, its pickle or a tensor."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(kept, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith(".pkl")]
        changed = pickles[0] if pickles and choice % 2 else names[choice % len(names)]
        for name in names:
            member = bytearray(old.read(name))
            if name == changed:
                change(member)
            new.writestr(name, bytes(member))
    return kept.getvalue()


def _within_png(data: bytes, change: Change) -> bytes:
    """A PNG whose chunks have the checksums of what they now hold."""
    kept = bytearray(data)
    change(kept)
    place = len(PNG)
    while place + 12 <= len(kept):
        (length,) = struct.unpack_from(">I", kept, place)
        end = place + 8 + length
        if end + 4 > len(kept):
            break
        struct.pack_into(">I", kept, end, zlib.crc32(kept[place + 4 : end]))
        place = end + 4
    return bytes(kept)


def _within_request(data: bytes, change: Change) -> bytes:
    """A request that states the length of its new body."""
    head, between, body = data.partition(b"\r\n\r\n")
    kept = bytearray(body)
    change(kept)
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    if kept and not any(line.lower().startswith(b"transfer-encoding") for line in lines):
        lines.append(b"content-length: %d" % len(kept))
    return b"\r\n".join(lines) + between + kept


def _within_safetensors(data: bytes, change: Change) -> bytes:
    """A model file whose header is changed, and states its new length."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = bytearray(data[8:end])
    with suppress(IndexError):
        change(header)
    return struct.pack("<Q", len(header[:LARGEST_HEADER_BYTES])) + bytes(header[:LARGEST_HEADER_BYTES]) + data[end:]
