"""ICC profiles as JPEG XL stores them: commands, and data in which tables are predicted. Source: ISO/IEC 18181-1, E.4."""

from __future__ import annotations

from unnoise.images.picture_formats.jpeg_xl_entropy import Bits, EntropyReader

HEADER_BYTES = 128
MOST_BYTES = 2**22
"""Of a profile; more is damage."""
CONTEXTS = 41

EXPECTED = {8: b"\4", 12: b"mntrRGB XYZ ", 36: b"acsp", 70: b"\xf6\xd6", 73: b"\1", 78: b"\xd3\x2d"}
"""What is expected in the header of a profile, by place."""
MAKERS = {b"A": b"PPL", b"M": b"SFT", b"SG": b"I ", b"SU": b"NW"}
"""What is expected behind the first letters of the platform, at byte 40."""

TAGS = (
    b"cprt", b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad", b"desc",
    b"chrm", b"dmnd", b"dmdd", b"lumi",
)  # fmt: skip
TYPES = (b"XYZ ", b"desc", b"text", b"mluc", b"para", b"curv", b"sf32", b"gbd ")
OF_20_BYTES = (b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"wtpt", b"bkpt", b"lumi")
"""Tags that hold three numbers."""

INSERT, SHUFFLE_2, SHUFFLE_4, PREDICT, XYZ, FIRST_TYPE = 1, 2, 3, 4, 10, 16
"""Commands."""
ANY_TAG, CURVES, PRIMARIES, FIRST_TAG, HAS_OFFSET, HAS_SIZE = 1, 2, 3, 4, 64, 128
"""Commands for the list of tags, and their flags."""


def read_profile(bits: Bits, size: int) -> bytes:
    """Read a profile from a codestream, of `size` bytes as it is stored. ValueError: it is damaged."""
    if size > MOST_BYTES:
        raise ValueError(f"it states a profile of {size} bytes")
    reader = EntropyReader(bits, CONTEXTS)
    stored = bytearray()
    for place in range(size):
        value = reader.read(_context(stored) if place > HEADER_BYTES else 0)
        if value > 255:
            raise ValueError("its profile is damaged")
        stored.append(value)
    reader.finish()
    try:
        return _Profile(bytes(stored)).made()
    except IndexError as error:
        raise ValueError("its profile ends too early") from error


def _context(stored: bytearray) -> int:
    last, before = stored[-1], stored[-2]
    return 1 + _kind(last, (0, 1, 4, 7, 5)) + 8 * _kind(before, (0, 1, 2, 4, 3))


def _kind(value: int, kinds: tuple[int, int, int, int, int]) -> int:
    """Of letters, of digits, of bytes below 16, of others, and of bytes above 240; the last byte tells some more apart."""
    letters, digits, small, other, large = kinds
    if chr(value).isalpha() and value < 128:
        return letters
    if value in b"0123456789.,":
        return digits
    if small == 4 and value in (0, 1, 255):
        return {0: 2, 1: 3, 255: 6}[value]
    return small if value < 16 else large if value > 240 else other


def expected_header(icc: bytes | bytearray, size: int) -> bytes:
    """What is expected of the first bytes of a profile of `size` bytes, of which `icc` is known so far."""
    made = bytearray(HEADER_BYTES)
    made[:4] = size.to_bytes(4, "big")
    made[80:84] = icc[4:8].ljust(4, b"\0")
    for place, words in EXPECTED.items():
        made[place : place + len(words)] = words
    for letters, words in MAKERS.items():
        if icc[40 : 40 + len(letters)] == letters:
            made[40 + len(letters) : 44] = words
    return bytes(made)


class _Profile:
    """The profile that commands make of data."""

    def __init__(self, stored: bytes) -> None:
        self._stored, self._place = stored, 0
        self._size = self._number(len(stored))
        commands = self._number(len(stored))
        self._commands_end, self._data = self._place + commands, self._place + commands
        if self._commands_end > len(stored) or self._size > MOST_BYTES:
            raise ValueError("its profile is damaged")
        self._out = bytearray()

    def made(self) -> bytes:
        for _ in range(min(HEADER_BYTES, self._size)):
            wanted = expected_header(self._out, self._size)[len(self._out)]
            self._out.append((wanted + self._take(1)[0]) & 255)
        if self._size > HEADER_BYTES:
            self._tags()
            while self._place < self._commands_end and len(self._out) <= self._size:
                self._command()
        if len(self._out) != self._size:
            raise ValueError("its profile is damaged")
        return bytes(self._out)

    def _byte(self) -> int:
        self._place += 1
        return self._stored[self._place - 1]

    def _number(self, end: int | None = None) -> int:
        """Seven bits a byte, the lowest first."""
        value = shift = 0
        while shift < 63:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise ValueError("its profile is damaged")

    def _take(self, count: int) -> bytes:
        part = self._stored[self._data : self._data + count]
        if len(part) < count:
            raise ValueError("its profile ends too early")
        self._data += count
        return part

    def _tags(self) -> None:
        count = self._number()
        if not count:
            return
        self._out += (count - 1).to_bytes(4, "big")
        start, size = HEADER_BYTES + 12 * (count - 1), 0
        while self._place < self._commands_end and len(self._out) <= self._size:
            command = self._byte()
            code = command & 63
            if not code:
                return
            tag = (
                self._take(4) if code == ANY_TAG else b"rTRC" if code == CURVES else b"rXYZ" if code == PRIMARIES
                else TAGS[code - FIRST_TAG]
            )  # fmt: skip
            start = self._number() if command & HAS_OFFSET else start + size
            size = 20 if tag in OF_20_BYTES else size
            size = self._number() if command & HAS_SIZE else size
            self._tag(tag, start, size)
            if code in (CURVES, PRIMARIES):
                step = size if code == PRIMARIES else 0
                for index, color in enumerate((b"g", b"b"), 1):
                    self._tag(color + tag[1:], start + index * step, size)

    def _tag(self, tag: bytes, start: int, size: int) -> None:
        if max(start, size) >= 1 << 32:
            raise ValueError("its profile is damaged")
        self._out += tag + start.to_bytes(4, "big") + size.to_bytes(4, "big")

    def _command(self) -> None:
        command = self._byte()
        if command == INSERT:
            self._out += self._take(self._number())
        elif command in (SHUFFLE_2, SHUFFLE_4):
            self._out += _shuffled(self._take(self._number()), 2 if command == SHUFFLE_2 else 4)
        elif command == PREDICT:
            self._predict()
        elif command == XYZ:
            self._out += b"XYZ \0\0\0\0" + self._take(12)
        elif FIRST_TYPE <= command < FIRST_TYPE + len(TYPES):
            self._out += TYPES[command - FIRST_TYPE] + bytes(4)
        else:
            raise ValueError("its profile is damaged")

    def _predict(self) -> None:
        """Numbers of 1, 2 or 4 bytes that differ from what the ones before let expect."""
        flags = self._byte()
        width, order = (flags & 3) + 1, flags >> 2 & 3
        stride = self._number() if flags & 16 else width
        if width == 3 or order == 3 or stride < width or 4 * stride >= len(self._out):
            raise ValueError("its profile is damaged")
        count = self._number()
        content = _shuffled(self._take(count), width)
        start = len(self._out)
        for index in range(count):
            place = start + index // width * width
            one, two, three = (
                int.from_bytes(self._out[place - k * stride : place - k * stride + width], "big") for k in (1, 2, 3)
            )
            wanted = (one, 2 * one - two, 3 * one - 3 * two + three)[order]
            shift = 8 * (width - 1 - index % width)
            self._out.append(((wanted >> shift) + content[index]) & 255)


def _shuffled(content: bytes, width: int) -> bytes:
    """Bytes that lie apart, the highest of all numbers first, in the order of the numbers."""
    height = -(-len(content) // width)
    made, place, start = bytearray(), 0, 0
    for _ in content:
        made.append(content[place])
        place += height
        if place >= len(content):
            start += 1
            place = start
    return bytes(made)
