"""The models that ship with the package, and the reading of published checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.errors import UsageError
from unnoise.models.select import WEIGHTS, choose, choose_for

if TYPE_CHECKING:
    from unnoise.models.model import Model

__all__ = ["choose", "choose_for", "import_checkpoint", "load", "names"]

_PUBLISHED_SUFFIXES = {".pth", ".pt", ".ckpt"}


def names() -> list[str]:
    """The names of the shipped models."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def load(name_or_path: str | Path) -> Model:
    """A model by name or from a file: a shipped one, one saved by unnoise, or a published checkpoint.

    Raises:
        UsageError: when there is neither such a name nor such a file.
        UnnoiseError: when the file is damaged or holds no known network.
    """
    from unnoise.models.model import Model

    shipped = WEIGHTS / f"{name_or_path}.safetensors"
    if shipped.is_file():
        return Model.load(shipped)
    path = Path(name_or_path)
    if path.is_dir() and (path / "model.safetensors").is_file():  # the folder that `unnoise train` writes
        path = path / "model.safetensors"
    if not path.is_file():
        raise UsageError(
            f"There is no model '{name_or_path}'; choose one of {', '.join(names()) or '(none shipped)'}, or give a file."
        )
    return import_checkpoint(path) if path.suffix in _PUBLISHED_SUFFIXES else Model.load(path)


def import_checkpoint(path: str | Path) -> Model:
    """Read a published `.pth`, `.pt` or `.ckpt`, with the network and all its sizes inferred from the weights; our own files as they are.

    Raises:
        UsageError: when there is no such file.
        UnnoiseError: when it is damaged, holds code, or fits no network known here.
    """
    from unnoise.models.published import read

    return read(Path(path))
