"""What lies at a path, and one sentence where that cannot be told: pathlib's own questions raise for long names and locked folders."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Literal

from unnoise.errors import UsageError

PathKind = Literal["file", "folder", "device"]
"""Devices are also pipes and sockets: what gives or takes its bytes once."""


def path_kind(path: Path) -> PathKind | None:
    """What a path leads to, through links; None: nothing is there, or links in a circle. UsageError where that cannot be told."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        if getattr(error, "errno", 0) in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be reached: {reason}; check the name and who may open its folder.") from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"


def refuse_device(path: Path) -> None:
    """Raise UsageError if neither a file nor a folder, nor nothing, is there."""
    if path_kind(path) == "device":
        raise UsageError(f"{path} is a device or a pipe, and neither a file nor a folder; give the name of a file.")
