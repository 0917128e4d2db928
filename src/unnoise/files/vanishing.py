"""A temporary folder that is gone after its process, also after one that was killed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REMOVE = 'exec 3<&0; (read _ <&3; rm -rf -- "$1") &'
"""Waits until the other end of its standard input is closed, which the system does for a killed process too. It waits in the
background, as a child of no process of ours: Ray kills the children of a worker that ends."""


@contextmanager
def vanishing_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder, and remove it at the end of the context or of the process.

    A killed process cannot remove anything. So a shell waits for its end. Windows has none; there only the end of the
    context removes the folder.

    Args:
        prefix: how the folder's name begins.
        parent: where it is made; None: the system's place for temporary files.

    >>> with vanishing_folder("example-") as folder:
    ...     folder.is_dir()
    True
    >>> folder.exists()
    False
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        remover = None
        if os.name == "posix":
            # In a session of its own, so that Ctrl-C and a kill of the whole group leave it to its work.
            remover = subprocess.Popen(
                ["/bin/sh", "-c", REMOVE, "sh", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,  # open until the folder is gone
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            remover.wait()
        try:
            yield Path(name)
        finally:
            if remover is not None and remover.stdin is not None and remover.stdout is not None:
                remover.stdin.close()
                remover.stdout.read()
                remover.stdout.close()
