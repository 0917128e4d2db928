"""What a visitor is told where the server's disk or memory fails."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from unnoise.errors import UnnoiseError
from unnoise.inference.memory import is_out_of_memory

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a full quota, a limit on the size of files."""
NO_ROOM_FOR = "The server has no room for {}; delete pictures, or try again later."


class ServerError(UnnoiseError):
    """The server cannot do what it was asked for, whatever the picture."""


class NoRoomError(ServerError):
    """The server's disk is full."""


class NoMemoryError(ServerError):
    """The server's memory is full."""


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn errors of the disk and of memory into sentences without the server's own paths. Other errors stay.

    Args:
        name: what was being worked on, as the visitor calls it.

    Raises:
        NoRoomError, NoMemoryError, ServerError: in place of such an error.

    >>> with told("a.png"):
    ...     raise OSError(errno.ENOSPC, "No space left on device", "/tmp/unnoise-serve-1/a.png")
    Traceback (most recent call last):
    unnoise.web.failures.NoRoomError: The server has no room for a.png; delete pictures, or try again later.
    """
    try:
        yield
    except UnnoiseError as error:  # of `atomic_write`, whose sentence names the server's path
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            raise NoRoomError(NO_ROOM_FOR.format(name)) from error
        raise
    except (OSError, MemoryError, RuntimeError) as error:
        failure = failure_of(error, name)
        if failure is None:
            raise
        raise failure from error


def failure_of(error: BaseException, name: str) -> ServerError | None:
    """The sentence for an error of the disk or of memory; None: it is another error.

    >>> failure_of(MemoryError(), "a.png")
    NoMemoryError('The server has not enough memory for a.png; try again later, or give a smaller picture.')
    >>> failure_of(ZeroDivisionError(), "a.png") is None
    True
    """
    if isinstance(error, OSError):
        if error.errno in NO_ROOM:
            return NoRoomError(NO_ROOM_FOR.format(name))
        return ServerError(f"The server cannot keep {name} ({error.strerror or type(error).__name__}); try again later.")
    if is_out_of_memory(error):
        return NoMemoryError(f"The server has not enough memory for {name}; try again later, or give a smaller picture.")
    return None


def refuse_odd_requests(app: Any) -> None:
    """Let an application of Gradio answer requests that its page never sends, such as JSON that is no text, with a
    sentence. It would fail, and note a traceback.

    Args:
        app: an application of Starlette that has had no request yet.
    """
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    async def refused(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "This is no request that the page sends; programs use /api."}, 400)

    odd: tuple[type[Exception], ...] = (ValueError, LookupError, TypeError, AttributeError)
    with suppress(ImportError, AttributeError):  # other versions of Gradio
        odd += (importlib.import_module("gradio.route_utils").FnIndexInferError,)
    for kind in odd:
        app.add_exception_handler(kind, refused)
