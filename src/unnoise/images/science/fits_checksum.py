"""Checksums of FITS: CHECKSUM and DATASUM after appendix J of the FITS Standard 4.0, in pieces of any number."""

from __future__ import annotations

from typing import IO

import numpy as np

BLOCK_BYTES = 2**22
EXCLUDED = frozenset(b":;<=>?@[\\]^_`")
"""Characters between digits and letters, which the encoding leaves out."""


def summed(file: IO[bytes], start: int, count: int, total: int = 0) -> int:
    """The sum of 32-bit words with end-around carry, of `count` bytes from `start` on, added to `total`."""
    file.seek(start)
    while count > 0:
        block = file.read(min(BLOCK_BYTES, count))
        if not block:
            break
        count -= len(block)
        words = np.frombuffer(block + b"\0" * (-len(block) % 4), ">u4")
        total += int(words.sum(dtype=np.uint64))
        while total >> 32:
            total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def encoded(total: int) -> bytes:
    """The complement of a sum as 16 characters that bring the sum of all words to −0.

    >>> encoded(0xFFFFFFFF)
    b'0000000000000000'
    """
    value = ~total & 0xFFFFFFFF
    characters = bytearray(16)
    for i in range(4):
        byte = value >> (24 - 8 * i) & 0xFF
        quarter = byte // 4 + ord("0")
        four = [quarter + byte % 4, quarter, quarter, quarter]
        while EXCLUDED & set(four):
            for j in (0, 2):
                if four[j] in EXCLUDED or four[j + 1] in EXCLUDED:
                    four[j] += 1
                    four[j + 1] -= 1
        characters[i::4] = bytes(four)
    return bytes(characters[-1:] + characters[:-1])
