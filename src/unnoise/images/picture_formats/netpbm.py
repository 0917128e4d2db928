"""Netpbm files (PBM, PGM, PPM, PAM) and PFM by netpbmfile. PFM is written here, since netpbmfile only reads it.

White is the greatest value that the header names; here it is that of the type, 255 or 65535. PFM holds linear light, so
its colors are given as channels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened

ALPHA = {"GRAYSCALE_ALPHA", "BLACKANDWHITE_ALPHA", "RGB_ALPHA"}
TEXT = {"P1", "P2", "P3"}
FLOATS = {"Pf", "PF", "PF4"}
NUMBERS_IN_A_LINE = 11


@dataclass(frozen=True)
class Coding:
    """The encoding of a Netpbm file."""

    kind: str
    """The two letters that it begins with: P1 … P7, Pf, PF."""
    white: int = 255
    tuple_type: str | None = None
    """What a PAM says of its channels."""
    order: str = "<"
    """Byte order of floats."""
    scale: float = 1.0
    """Of a PFM, whose meaning differs between programs."""
    comments: tuple[str, ...] = ()


def open_file(path: Path) -> Opened:
    """Open a file of a single picture. ValueError: it is damaged. UsageError: it holds several pictures."""
    import netpbmfile

    data = path.read_bytes()
    with netpbmfile.NetpbmFile(path) as file:
        kind = str(file.magicnumber)
        if kind in ("P7 332", "PG") or kind not in {"P1", "P2", "P3", "P4", "P5", "P6", "P7", *FLOATS}:
            raise UsageError(f"{path} is a Netpbm file of the kind {kind}, which is not supported; convert it to PPM or PAM.")
        pixels = file.asarray()
        samples, white, frames = int(file.depth), int(file.maxval), int(file.frames)
        type_ = file.tupltype
        start = int(file.dataoffset)
    if kind == "P7" and (said := re.search(rb"^DEPTH\s+(\d+)", data[:start], re.MULTILINE)):
        samples = int(said[1])  # netpbmfile takes channels of an unknown kind for pictures
        if pixels.ndim == 3 and pixels.shape[2] == samples:
            frames = 1
    pixels = np.asarray(pixels).astype(pixels.dtype.newbyteorder("="))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if frames > 1 or pixels.ndim > 3 or (pixels.ndim == 3 and pixels.shape[2] != samples):
        raise UsageError(f"{path} holds several pictures, which are not supported; split it with pamsplit.")
    comments = tuple(_comments(data[:start]))
    if kind in FLOATS:
        order, scale = _scale(data)
        pixels = pixels[::-1]  # rows run from the bottom up
        layout = Layout("channels") if pixels.ndim == 3 else Layout("grey")
        return Opened.of(pixels.astype(np.float32), layout, Metadata(coding=Coding(kind, 1, None, order, scale, comments)))
    if kind not in TEXT:
        end = start + (pixels.shape[0] * -(-pixels.shape[1] // 8) if kind == "P4" else pixels.size * (1 + (white > 255)))
        if len(data) < end:
            raise ValueError("it ends before its last pixel")
        if data[end:].strip():
            raise UsageError(f"{path} holds several pictures, or more after its first; split it with pamsplit.")
    if kind in ("P1", "P4"):
        pixels, white = np.where(pixels, 0, 255).astype(np.uint8), 1  # 1 is black
    elif int(pixels.max(initial=0)) > white:
        raise ValueError(f"it has values beyond its greatest, {white}")
    else:
        pixels = spread(pixels, white)
    count = pixels.shape[2] if pixels.ndim == 3 else 1
    usual = {"GRAYSCALE_ALPHA": Layout("grey", 1), "BLACKANDWHITE_ALPHA": Layout("grey", 1), "RGB_ALPHA": Layout("rgb", 1)}
    known = {"BLACKANDWHITE", "GRAYSCALE", "RGB", None} if count in (1, 3) else set()
    layout = usual.get(str(type_)) or (Layout.of(pixels.shape) if type_ in known else Layout("channels"))
    return Opened.of(pixels, layout, Metadata(coding=Coding(kind, white, type_, comments=comments)))


def spread(values: Pixels, white: int) -> Pixels:
    """Values 0 … `white` over the whole range of uint8, or of uint16 if there are more; `narrow` goes back exactly."""
    dtype = np.uint8 if white < 256 else np.uint16
    most = int(np.iinfo(dtype).max)
    made: Pixels = ((values.astype(np.uint64) * most + white // 2) // white).astype(dtype)
    return made


def narrow(values: Pixels, white: int) -> Pixels:
    """The reverse of `spread`, to the nearest."""
    most = int(np.iinfo(values.dtype).max)
    made: Pixels = ((values.astype(np.uint64) * white + most // 2) // most).astype(np.uint8 if white < 256 else np.uint16)
    return made


def _comments(head: bytes) -> list[str]:
    return [line.partition(b"#")[2].decode("latin-1").strip() for line in head.split(b"\n") if b"#" in line]


def _scale(data: bytes) -> tuple[str, float]:
    """Byte order, and the scale without its sign."""
    words = b" ".join(line.partition(b"#")[0] for line in data[:512].split(b"\n")[:8]).split()
    value = float(words[3])
    return "<" if value < 0 else ">", abs(value)


class Writer(base.Writer):
    """A Netpbm file as the source was, else of the kind that the suffix and the channels ask for."""

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        own = metadata.coding if isinstance(metadata.coding, Coding) else None
        if pixels.dtype.kind == "f":
            self.path.write_bytes(_float_map(pixels, own or Coding("PF", 1)))
            return
        count = pixels.shape[2] if pixels.ndim == 3 else 1
        if own is None or own.kind in FLOATS or (own.white > 255) != (pixels.dtype == np.uint16):
            kind = {1: "P5", 3: "P6"}.get(count, "P7") if not layout.alpha else "P7"
            own = Coding(kind, int(np.iinfo(pixels.dtype).max), _tuple_type(layout, count) if kind == "P7" else None)
        stored = np.ascontiguousarray(pixels < 128) if own.kind in ("P1", "P4") else narrow(pixels, own.white)
        self.path.write_bytes(_encoded(stored, own))


def _tuple_type(layout: Layout, count: int) -> str | None:
    """PAM has names for grey and RGB alone."""
    if layout.colours not in ("grey", "rgb"):
        return None
    return {"grey": "GRAYSCALE", "rgb": "RGB"}[layout.colours] + "_ALPHA" * bool(layout.alpha)


def _encoded(stored: Pixels, own: Coding) -> bytes:
    height, width = stored.shape[:2]
    notes = "".join(f"# {note}\n" for note in own.comments)
    if own.kind == "P7":
        count = stored.shape[2] if stored.ndim == 3 else 1
        said = f"TUPLTYPE {own.tuple_type}\n" if own.tuple_type else ""
        head = f"P7\n{notes}WIDTH {width}\nHEIGHT {height}\nDEPTH {count}\nMAXVAL {own.white}\n{said}ENDHDR\n"
    else:
        head = f"{own.kind}\n{notes}{width} {height}\n" + ("" if own.kind in ("P1", "P4") else f"{own.white}\n")
    if own.kind in TEXT:
        rows = stored.reshape(height, -1).astype(int)
        body = "".join(f"{_wrapped(row)}\n" for row in rows).encode()
    elif own.kind == "P4":
        body = np.packbits(stored, axis=-1).tobytes()
    else:
        body = stored.astype(">u2" if own.white > 255 else "u1").tobytes()
    return head.encode("latin-1", "replace") + body


def _wrapped(row: Any) -> str:
    """Numbers in lines of at most 70 characters, as the format asks."""
    words = [str(value) for value in row]
    return "\n".join(" ".join(words[start : start + NUMBERS_IN_A_LINE]) for start in range(0, len(words), NUMBERS_IN_A_LINE))


def _float_map(pixels: Pixels, own: Coding) -> bytes:
    """A PFM: rows from the bottom up."""
    count = pixels.shape[2] if pixels.ndim == 3 else 1
    kinds = {1: "Pf", 3: "PF", 4: "PF4"}
    if count not in kinds:
        raise ValueError(f"a float map has 1, 3 or 4 channels, not {count}")
    own = replace(own, kind=kinds[count])
    scale = -own.scale if own.order == "<" else own.scale
    head = f"{own.kind}\n{pixels.shape[1]} {pixels.shape[0]}\n{scale:.6f}\n"
    return head.encode() + np.ascontiguousarray(pixels[::-1]).astype(f"{own.order}f4").tobytes()
