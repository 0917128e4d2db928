"""What a path leads to. The functions of pathlib raise errors of their own for long names and locked folders."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Literal

from unnoise.errors import UsageError

PathKind = Literal["file", "folder", "device"]
"""A device is also a pipe or a socket: its bytes can be read or written only once."""


def path_kind(path: Path) -> PathKind | None:
    """What a path leads to, through links.

    Returns:
        None if nothing is there, or only links in a circle.

    Raises:
        UsageError: the answer cannot be found, for instance because the folder is locked.

    >>> path_kind(Path("/")), path_kind(Path("/no/such/file"))
    ('folder', None)
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        if getattr(error, "errno", 0) in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be reached: {reason}; check the name and who may open its folder.") from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"


def refuse_device(path: Path) -> None:
    """Raise `UsageError` if a device, a pipe or a socket is at this path.

    >>> refuse_device(Path("/no/such/file"))
    """
    if path_kind(path) == "device":
        raise UsageError(f"{path} is a device or a pipe, and neither a file nor a folder; give the name of a file.")
