"""The header of a JPEG XL codestream, bit by bit: depth, colors, films. Its colors can be replaced.

Source: ISO/IEC 18181-1, annexes C to E. imagecodecs decodes the pixels, and says nothing of all this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SRGB_BITS = "1"
"""Colors that are left at their default."""

ALPHA_CHANNEL = 0
RGB_SPACE, GREY_SPACE, XYB_SPACE = 0, 1, 2
D65, CUSTOM, EQUAL, DCI = 1, 2, 10, 11
SRGB_PRIMARIES, BT2100, P3 = 1, 9, 11
TRANSFERS = {1: "BT.709", 8: "linear", 13: "sRGB", 16: "PQ", 17: "DCI", 18: "HLG"}
CHANNELS = {1: "depth", 2: "spot color", 3: "selection", 4: "black ink", 5: "mosaic", 6: "thermal"}
WHITE_POINTS = {D65: (0.3127, 0.3290), EQUAL: (1 / 3, 1 / 3), DCI: (0.314, 0.351)}
PRIMARIES = {
    SRGB_PRIMARIES: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    BT2100: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    P3: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
MILLIONTHS = 1_000_000
GAMMA_STEPS = 10_000_000


@dataclass(frozen=True)
class Header:
    """What a codestream says before its pixels."""

    bits: int = 8
    floats: bool = False
    lossy: bool = False
    """Whether colors are stored as XYB."""
    film: bool = False
    extra: tuple[str, ...] = ()
    """Channels beyond colors and alpha, by what they are."""
    alphas: int = 0
    associated: bool = False
    icc: bool = False
    """Whether a profile lies in the codestream."""
    colors: str = SRGB_BITS
    """The bits that describe the colors."""
    place: tuple[int, int] = (0, 0)
    """The first of these bits, and the one behind the last."""
    end: int = 0
    """The first bit behind the header."""
    orientation: int = 1


class _Bits:
    def __init__(self, data: bytes, most: int = 4096) -> None:
        self.bits = "".join(f"{byte:08b}"[::-1] for byte in data[:most])
        self.place = 16  # behind the signature

    def u(self, count: int) -> int:
        """An unsigned number of so many bits, the lowest first. ValueError: the data end."""
        part = self.bits[self.place : self.place + count]
        if len(part) < count:
            raise ValueError("it ends within its header")
        self.place += count
        return int(part[::-1], 2) if part else 0

    def u32(self, *ways: tuple[int, int]) -> int:
        """One of four ways: an offset, and the number of bits that are added to it."""
        offset, count = ways[self.u(2)]
        return offset + self.u(count)

    def enum(self) -> int:
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))

    def u64(self) -> int:
        way = self.u(2)
        if way < 3:
            return (0, 1 + self.u(4) if way == 1 else 0, 17 + self.u(8) if way == 2 else 0)[way]
        value, shift = self.u(12), 12
        while self.u(1):
            if shift == 60:
                return value | self.u(4) << shift
            value |= self.u(8) << shift
            shift += 8
        return value

    def size(self) -> None:
        small = self.u(1)
        ways = ((1, 9), (1, 13), (1, 18), (1, 30))
        _ = self.u(5) if small else self.u32(*ways)
        if not self.u(3):
            _ = self.u(5) if small else self.u32(*ways)

    def depth(self) -> tuple[int, bool]:
        if self.u(1):
            bits = self.u32((32, 0), (16, 0), (24, 0), (1, 6))
            self.u(4)
            return bits, True
        return self.u32((8, 0), (10, 0), (12, 0), (1, 6)), False


def parse(stream: bytes) -> Header:
    """Read the header of a codestream. ValueError: it is damaged, or has what we do not know."""
    reader = _Bits(stream)
    reader.size()
    if reader.u(1):  # all is as usual
        return Header(lossy=True, end=_transforms(reader, xyb=True))
    orientation, film, more = 1, False, reader.u(1)
    if more:
        orientation = 1 + reader.u(3)
        if reader.u(1):
            reader.size()
        if reader.u(1):
            raise ValueError("it holds a preview")
        film = bool(reader.u(1))
        if film:
            reader.u32((100, 0), (1000, 0), (1, 10), (1, 30))
            reader.u32((1, 0), (1001, 0), (1, 8), (1, 10))
            reader.u32((0, 0), (0, 3), (0, 16), (0, 32))
            reader.u(1)
    bits, floats = reader.depth()
    reader.u(1)
    kinds, associated = [], False
    for _ in range(reader.u32((0, 0), (1, 0), (2, 4), (1, 12))):
        kind, multiplied = _channel(reader)
        kinds.append(kind)
        associated |= multiplied
    xyb = bool(reader.u(1))
    start = reader.place
    icc = _colors(reader)
    place = start, reader.place
    if more and not reader.u(1):  # tone mapping
        reader.u(16 + 16 + 1 + 16)
    if extensions := reader.u64():
        raise ValueError(f"it has extensions that are not known ({extensions})")
    extra = tuple(CHANNELS.get(kind, "unknown") for kind in kinds if kind != ALPHA_CHANNEL)
    colors = reader.bits[place[0] : place[1]]
    end = _transforms(reader, xyb)
    return Header(bits, floats, xyb, film, extra, kinds.count(ALPHA_CHANNEL), associated, icc, colors, place, end, orientation)


def _channel(reader: _Bits) -> tuple[int, bool]:
    """What an extra channel is, and whether it is alpha by which colors were multiplied."""
    if reader.u(1):
        return ALPHA_CHANNEL, False
    kind = reader.enum()
    reader.depth()
    reader.u32((0, 0), (3, 0), (4, 0), (1, 3))
    reader.u(8 * reader.u32((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == ALPHA_CHANNEL:
        return kind, bool(reader.u(1))
    if kind == 2:
        reader.u(64)
    if kind == 5:
        reader.u32((1, 0), (0, 2), (3, 4), (19, 8))
    return kind, False


def _colors(reader: _Bits) -> bool:
    """Pass over the description of colors. Returns whether a profile follows in its place."""
    if reader.u(1):
        return False
    icc, space = bool(reader.u(1)), reader.enum()
    if icc:
        return True
    if space != XYB_SPACE:
        if reader.enum() == CUSTOM:
            _point(reader)
        if space != GREY_SPACE and reader.enum() == CUSTOM:
            for _ in range(3):
                _point(reader)
        if reader.u(1):
            reader.u(24)
        else:
            reader.enum()
    reader.enum()
    return False


def _point(reader: _Bits) -> tuple[float, float]:
    values = [reader.u32((0, 19), (524288, 19), (1048576, 20), (2097152, 21)) for _ in range(2)]
    x, y = ((value >> 1 if value % 2 == 0 else -(value + 1) >> 1) / MILLIONTHS for value in values)
    return x, y


def _transforms(reader: _Bits, xyb: bool) -> int:
    if not reader.u(1):
        raise ValueError("it changes its colors in a way of its own")
    return reader.place


def bits_behind(stream: bytes, own: Header) -> _Bits:
    """A reader of what follows a header."""
    bits = _Bits(stream, len(stream))
    bits.place = own.end
    return bits


def with_colors(stream: bytes, colors: str) -> bytes:
    """The codestream with another description of its colors; pixels stay as they are.

    Raises:
        ValueError: the header cannot be changed, or the pixels are stored in relation to sRGB.
    """
    own = parse(stream)
    return stream if own.colors == colors else replaced(stream, own, colors)


def replaced(stream: bytes, own: Header, colors: str, behind: str = "") -> bytes:
    """The codestream, whose header is `own`, with other bits for its colors, and with bits `behind` its header.

    Raises:
        ValueError: the header cannot be changed, or the pixels are stored in relation to sRGB.
    """
    if own.lossy or own.icc or own.place == (0, 0):
        raise ValueError("its colors cannot be described otherwise")
    bits = _Bits(stream).bits
    made = bits[: own.place[0]] + colors + bits[own.place[1] : own.end] + behind
    made += "0" * (-len(made) % 8)
    return bytes(int(made[at : at + 8][::-1], 2) for at in range(0, len(made), 8)) + stream[-(-own.end // 8) :]


def described(colors: str) -> dict[str, Any]:
    """What a description of colors says: `space`, `white` (x, y), `primaries` (six numbers) and `transfer` (a number of
    H.273) or `gamma`."""
    if colors == SRGB_BITS:
        return {"space": RGB_SPACE, "white": WHITE_POINTS[D65], "primaries": PRIMARIES[SRGB_PRIMARIES], "transfer": 13}
    reader = _Bits(b"")
    reader.bits, reader.place = colors, 2
    said: dict[str, Any] = {"space": reader.enum()}
    if said["space"] != XYB_SPACE:
        white = reader.enum()
        said["white"] = _point(reader) if white == CUSTOM else WHITE_POINTS.get(white, WHITE_POINTS[D65])
        if said["space"] != GREY_SPACE:
            primaries = reader.enum()
            said["named"] = primaries if white == D65 else CUSTOM
            said["primaries"] = sum((_point(reader) for _ in range(3)), ()) if primaries == CUSTOM else PRIMARIES.get(primaries)
        if reader.u(1):
            said["gamma"] = GAMMA_STEPS / max(1, reader.u(24))
        else:
            said["transfer"] = reader.enum()
    return said


def profile(colors: str) -> bytes:
    """An ICC profile of a description of colors; empty: of sRGB, or of a curve that no profile tells, such as PQ."""
    import imagecodecs

    said = described(colors)
    grey, curve = said["space"] == GREY_SPACE, said.get("transfer")
    usual = said.get("primaries") in (None, PRIMARIES[SRGB_PRIMARIES]) and said.get("white") == WHITE_POINTS[D65]
    if (usual and curve == 13) or curve in (16, 18) or said["space"] not in (RGB_SPACE, GREY_SPACE):
        return b""
    options: dict[str, Any] = {"gamma": said["gamma"]} if "gamma" in said else {"transferfunction": _curve(curve)}
    x, y = said["white"]
    if grey:
        return bytes(imagecodecs.cms_profile("gray", whitepoint=(x, y, 1.0), **options))
    primaries = said["primaries"]
    points = [value for at in range(0, 6, 2) for value in (*primaries[at : at + 2], 1.0)]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=(x, y, 1.0), primaries=points, **options))


def _curve(transfer: int | None) -> np.ndarray:
    """From coded values to light, at 4096 places."""
    v = np.linspace(0, 1, 4096)
    if transfer == 8:
        light = v
    elif transfer == 17:
        light = v**2.6
    elif transfer == 1:
        light = np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45))
    else:
        light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return np.rint(light * 65535).astype(np.uint16)
