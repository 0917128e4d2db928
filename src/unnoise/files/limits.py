"""Limits of what files may declare. They are checked before memory or time is spent, so that a small file cannot take all
of it."""

from __future__ import annotations

YAML_BYTES = 1_000_000
"""Size of a recipe. Shipped ones have about 1 kB."""
YAML_DEPTH = 20
"""Lists and mappings within each other. Shipped recipes have 3."""
YAML_NODES = 20_000
"""Values, lists and mappings of a recipe."""
YAML_DIGITS = 30
"""Digits of a whole number in a recipe. A longer one counts as text."""
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
