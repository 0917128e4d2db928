"""Limits of what files may declare. They are checked before memory or time is spent, so that a small file cannot take all
of it.

An environment variable raises each limit that a sound file could pass."""

from __future__ import annotations

import os
from dataclasses import dataclass

from unnoise.errors import UnnoiseError, UsageError


@dataclass(frozen=True)
class Limit:
    """A limit, and the environment variable that raises it.

    >>> Limit("UNNOISE_MAX_PIXELS", 100, "pixels").check(101, "a.png")
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: a.png has 101 pixels, more than the limit of 100; if that is right, set UNNOISE_MAX_PIXELS=101.
    """

    variable: str
    usual: int
    unit: str

    def value(self) -> int:
        """The limit that holds now. Raises `UsageError` for a variable that is no whole number.

        >>> Limit("UNNOISE_NONE", 100, "pixels").value()
        100
        """
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.usual
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise UsageError(f"The variable {self.variable} does not take {text[:40]!r}; give a whole number of {self.unit}.")
        return int(text)

    def check(self, found: int, name: str) -> None:
        """Raise `UnnoiseError` if `name` has more than the limit.

        >>> Limit("UNNOISE_NONE", 100, "pixels").check(100, "a.png")
        """
        most = self.value()
        if found > most:
            raise UnnoiseError(
                f"{name} has {found:,} {self.unit}, more than the limit of {most:,}; if that is right, set {self.variable}={found}."
            )


PIXELS = Limit("UNNOISE_MAX_PIXELS", 2**32, "pixels")
"""Of one picture. It lies decoded on the disk, so this bounds time and disk space. The largest scans of slides have
about 2^34."""
PAGES = Limit("UNNOISE_MAX_PAGES", 250_000, "pages")
"""Of a TIFF. To walk through them takes about 20 µs each."""
UNPACKED_BYTES = Limit("UNNOISE_MAX_UNPACKED_BYTES", 2**36, "bytes unpacked")
"""Of a file in gzip or bzip2, which is unpacked onto the disk. bzip2 can make a gigabyte out of a kilobyte."""
RECORD_BYTES = Limit("UNNOISE_MAX_RECORD_BYTES", 2**30, "bytes")
"""Of a manifest or its journal, which is read at once. A picture takes about 300 bytes there."""
DEFLATE_RATIO = 1032
"""Deflate cannot make more bytes out of one (a match of 258 bytes takes two bits)."""
HUFFMAN_JPEG_RATIO = 512
"""Pixels of a JPEG for each of its bytes: each block of 8 × 8 pixels takes at least one bit."""
STRIP_BYTES = 2**25
"""Decoded at a time, so that very wide pictures take few rows."""

YAML_BYTES = Limit("UNNOISE_MAX_YAML_BYTES", 1_000_000, "bytes")
"""Size of a recipe. Shipped ones have about 1 kB."""
YAML_DEPTH = 20
"""Lists and mappings within each other. Shipped recipes have 3. No variable raises it: Python's own stack bounds it."""
YAML_NODES = Limit("UNNOISE_MAX_YAML_VALUES", 20_000, "values")
"""Values, lists and mappings of a recipe."""
YAML_DIGITS = 30
"""Digits of a whole number in a recipe. A longer one counts as text."""
NETWORK_TENSORS = Limit("UNNOISE_MAX_TENSORS", 50_000, "tensors of weights")
"""Of the network that a recipe describes. The largest shipped recipe has 406."""
TRAINING_FACTOR = 4
"""Memory of a weight in training: itself, its gradient, and two moments of the optimizer."""
PARAMETER_FACTOR = 4
"""A model may register this many times the weights of its file while it is made, as some layers are replaced."""
SPARE_PARAMETERS = 1_000_000
"""Weights that a model may register beyond that."""
SPARE_TENSORS = 1000
"""Tensors that a model may register beyond that."""
SHARED_BYTES_FACTOR = 8
"""The tensors of a checkpoint may have this many times the bytes of the file. Some tensors share their bytes."""
SMALL_SIZE = 128
"""A network whose sizes are at most this is made at once: none of its layers takes much memory. Others are first made
without memory, which imports torch's compiler and takes a second."""
