"""What every request must pass: the host, the origin, the password, the size. And what the browser may load: nothing remote."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from unnoise.web.departures import Exchange
from unnoise.web.limits import WebLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LOCAL_ADDRESSES = ("127.0.0.1", "localhost", "::1")
USER = "unnoise"
"""The user's name that goes with the password."""
SPARE_BYTES = 2**20
"""Of a request beyond the file that it carries."""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # the page of Gradio has both
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
"""The browser refuses whatever does not come from this server."""
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def is_local(address: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_local("127.0.0.1"), is_local("0.0.0.0")
    (True, False)
    """
    return address in LOCAL_ADDRESSES


class Guard:
    """An ASGI application around another one, which refuses requests with one sentence.

    Args:
        app: the application.
        limits: what visitors may send.
        address: that the server is bound to. On a local one, requests for other names are refused: pages of other
            servers could send them (DNS rebinding).
        password: None: none is asked for.
    """

    def __init__(self, app: Any, limits: WebLimits, *, address: str = "127.0.0.1", password: str | None = None) -> None:
        self.app = app
        self.most_bytes = limits.upload_bytes + SPARE_BYTES
        self.too_large = f"A file may have at most {limits.upload_megabytes} MB; give a smaller one, or use the command line."
        self.hosts = LOCAL_ADDRESSES if is_local(address) else None
        self.credentials = None if password is None else base64.b64encode(f"{USER}:{password}".encode()).decode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        exchange = Exchange(receive, send, self.most_bytes)
        with exchange.without_departures():
            if refusal:
                await _answer(send, *refusal)
            else:
                await self.app(scope, exchange.receive, _with_headers(exchange.send, scope["path"]))
        with exchange.without_departures():
            if exchange.is_open:
                await exchange.end()
            elif exchange.is_cut_short and not exchange.is_answered:
                await _answer(send, 413, self.too_large)

    def _refusal(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """The status and the sentence of a refusal; None: the request may pass."""
        host = headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            return 403, f"This server answers to {self.hosts[0]} alone; open http://{self.hosts[0]} and its port."
        if method not in ("GET", "HEAD", "OPTIONS") and headers.get("origin", f"http://{host}").partition("//")[2] != host:
            return 403, "A page of another server may not send anything here; use the page of this server."
        if self.credentials is not None and not self._is_right(headers.get("authorization", "")):
            return 401, f"This server wants a password; the user is {USER}."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.most_bytes:
            return 413, self.too_large
        return None

    def _is_right(self, authorization: str) -> bool:
        kind, _, given = authorization.partition(" ")
        expected = (self.credentials or "").encode()
        return kind.lower() == "basic" and secrets.compare_digest(given.strip().encode("latin-1", "replace"), expected)


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host


def _with_headers(send: Send, path: str) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.decode("latin-1").lower() not in HEADERS]
            is_asset = "/assets/" in path or "/static/" in path  # the same for every visitor
            added = [(n.encode(), v.encode()) for n, v in HEADERS.items() if not (is_asset and n == "cache-control")]
            message["headers"] = [*kept, *added]
        await send(message)

    return sent


async def _answer(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="unnoise", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})
