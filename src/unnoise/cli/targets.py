"""The file that a command is to write."""

from __future__ import annotations

from pathlib import Path

from unnoise.errors import UsageError


def check_free(path: Path, overwrite: bool) -> None:
    """Raise `UsageError` where a file is there that nobody asked to replace."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already; add --overwrite to replace it, or choose another name.")


def check_model(path: Path, overwrite: bool) -> None:
    """Raise `UsageError` where a model cannot be written as this file: by its suffix it is read again."""
    if path.suffix != ".safetensors":
        raise UsageError(f"A model cannot be written as '{path.name}'; give a name that ends in .safetensors.")
    check_free(path, overwrite)
