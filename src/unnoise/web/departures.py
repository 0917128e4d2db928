"""What a request brings and an answer says, and visitors who leave before the end of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

Message = MutableMapping[str, Any]

DEPARTURES = ("ClientDisconnect", "LocalProtocolError")
"""What libraries raise where nobody waits for the answer any more. Starlette: the visitor left within the request. h11: the
request turned out to be no HTTP. They are told by name, as the modules of both need not be loaded here."""
REFUSAL = "HTTPException"
"""Starlette's, also told by name. Gradio's stream of events tells the visitor so itself, then raises it within its answer."""


class Exchange:
    """One request and its answer, as ASGI's `receive` and `send`.

    Args:
        receive, send: of the server.
        most_bytes: that the body may have. One that grows beyond without having said so is cut short: the application is
            told that the visitor left, and what it says of its own failure is dropped.

    >>> Exchange(receive=None, send=None, most_bytes=5).is_cut_short
    False
    """

    def __init__(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]], most_bytes: int
    ) -> None:
        self._receive, self._send, self._most_bytes = receive, send, most_bytes
        self._seen_bytes = 0
        self._is_dropping = False
        self.is_cut_short = False
        """The body grew beyond `most_bytes`."""
        self.is_answered = False
        """The application has begun an answer, which was passed on."""
        self.is_open = False
        """The answer has begun, and not ended."""

    async def receive(self) -> Message:
        """The next part of the request."""
        message = await self._receive()
        self._seen_bytes += len(message.get("body", b""))
        if self._seen_bytes <= self._most_bytes:
            return message
        self.is_cut_short = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer, unless it is the failure of an application whose request was cut short."""
        if message["type"] == "http.response.start":
            self._is_dropping = self.is_cut_short and message["status"] >= 500
            self.is_answered = self.is_open = not self._is_dropping
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_open = False
        if not self._is_dropping:
            await self._send(message)

    async def end(self) -> None:
        """End an answer that was left open."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    @contextmanager
    def without_departures(self) -> Iterator[None]:
        """Within this context, a visitor who left is no error, nor is a refusal within an answer that tells it. The server
        would note a traceback of each. Other errors pass."""
        try:
            yield
        except Exception as error:
            if not all(self._is_noted_in_vain(each) for each in _leaves(error)):
                raise

    def _is_noted_in_vain(self, error: BaseException) -> bool:
        named, cause = type(error).__name__, error.__cause__
        while cause is not None and cause.__cause__ is not None:  # each application around another one adds its own
            cause = cause.__cause__
        return named in DEPARTURES or (self.is_answered and REFUSAL in (named, type(cause).__name__))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of errors, as task groups raise them; or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
