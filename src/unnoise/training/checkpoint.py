"""The state of a run on disk: one file, replaced whole, from which the run goes on as if it had never stopped."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from unnoise.errors import UnnoiseError
from unnoise.files import written_whole

NAME = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers and text in dicts and lists) to the folder's checkpoint."""
    with written_whole(folder / NAME) as temporary:
        torch.save(state, temporary)


def load(folder: Path) -> dict[str, Any] | None:
    """The folder's checkpoint on the CPU, or None when there is none. Raises `UnnoiseError` when it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UnnoiseError(f"The checkpoint {path} is damaged; delete it to start again.") from error
    return state
