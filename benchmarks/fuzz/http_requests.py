"""Requests that `fuzz.py` damages, and the server that gets them: the page and the HTTP API, as `unnoise serve` builds them."""

from __future__ import annotations

import functools
import io
import json
import logging
import socket
import struct
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PORT_OF_SEEDS = 7860
"""In the requests' Host headers; the server takes any port there."""
QUIET_SECONDS = 0.05
"""After a silence of so long, a request whose end is missing gets it: the visitor goes away."""
LEAVING = 4
"""One visitor of so many leaves at once, without waiting for the answer."""
SETTLED_SECONDS = 0.01
"""So long the server has to note that a visitor left."""
ANSWER_SECONDS = 30.0
"""An answer that takes longer is a finding."""
SECRET = "/etc/passwd"
FOUND = b"root:"
"""In that file, and in no answer."""
BOUNDARY = "9f3a"


def seeds() -> dict[str, bytes]:
    """Whole requests, by name."""
    from PIL import Image

    kept = io.BytesIO()
    Image.linear_gradient("L").resize((24, 20)).save(kept, "png")
    png = kept.getvalue()
    part = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    joined = {"data": [0.5], "fn_index": 3, "session_hash": "abc", "event_data": None, "trigger_id": 7}
    called = {"data": [{"path": SECRET, "meta": {"_type": "gradio.FileData"}}], "fn_index": 1, "session_hash": "abc"}
    return {
        "send": _request("POST", "/api/v1/jobs?name=a.png&model=fast&strength=0.8&detail=0.1", png),
        "report": _request("POST", "/api/v1/jobs?name=..%2Fb%20c.tif&report=true&ensemble=false", png),
        "chunks": _request("POST", "/api/v1/jobs?name=a.jpg", b"5\r\nhello\r\n0\r\n\r\n", "transfer-encoding: chunked"),
        "state": _request("GET", "/api/v1/jobs/aGVsbG8?wait=0.01"),
        "result": _request("GET", "/api/v1/jobs/..%2F..%2Fa/result"),
        "zip": _request("GET", "/api/v1/zip?job=a&job=b"),
        "delete": _request("DELETE", "/api/v1/jobs/aGVsbG8", b"", "origin: http://127.0.0.1:7860"),
        "models": _request("GET", "/api/v1/models"),
        "stream": _request("GET", "/gradio_api/queue/data?session_hash=abc"),
        "heartbeat": _request("GET", "/gradio_api/heartbeat/abc"),
        "page": _request("GET", "/?__theme=dark", b"", "accept-encoding: gzip", "cookie: a=b"),
        "file": _request("GET", f"/gradio_api/file={SECRET}", b"", "range: bytes=0-9"),
        "upload": _request(
            "POST", "/gradio_api/upload?upload_id=a", part + png + f"\r\n--{BOUNDARY}--\r\n".encode(),
            f"content-type: multipart/form-data; boundary={BOUNDARY}",
        ),
        "join": _request("POST", "/gradio_api/queue/join?", json.dumps(joined).encode(), "content-type: application/json"),
        "call": _request("POST", "/gradio_api/run/predict", json.dumps(called).encode(), "content-type: application/json"),
    }  # fmt: skip


def _request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    named = [f"host: 127.0.0.1:{PORT_OF_SEEDS}", *headers, "connection: close"]
    if body and "transfer-encoding: chunked" not in headers:
        named.append(f"content-length: {len(body)}")
    return f"{method} {path} HTTP/1.1\r\n".encode() + "".join(f"{each}\r\n" for each in named).encode() + b"\r\n" + body


def load_libraries() -> None:
    """Load what the server needs, without using it."""
    with suppress(ModuleNotFoundError):
        import gradio  # noqa: F401
        import uvicorn  # noqa: F401

        import unnoise.web.page
        import unnoise.web.server  # noqa: F401


@dataclass
class Running(logging.Handler):
    """A server of this process, and the errors that it noted."""

    port: int = 0
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.ERROR)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.errors.append(f"{record.getMessage()[:80]}: {type(error).__name__} {error}")


@functools.cache
def running() -> Running:
    """Start the server of this process."""
    import uvicorn

    from unnoise.web.limits import WebLimits
    from unnoise.web.server import build_server, free_port

    seen = Running(port=free_port("127.0.0.1", 0))
    app = build_server(WebLimits(upload_megabytes=1, visitor_jobs=10_000), device="cpu").app
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=seen.port, log_level="error"))
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addHandler(seen)
    threading.Thread(target=server.run, daemon=True).start()
    until = time.monotonic() + 60
    while not server.started:
        if time.monotonic() > until:
            raise RuntimeError("the server does not start")
        time.sleep(0.01)
    return seen


def ask(path: Path) -> None:
    """Send a file as a request. Raises `RuntimeError` where the server fails, tells a secret or does not answer."""
    server = running()
    server.errors.clear()
    answer = _answer(server.port, path.read_bytes())
    status = answer[:12].partition(b" ")[2]
    if server.errors:
        raise RuntimeError(server.errors[0])
    if status.startswith(b"5"):
        raise RuntimeError(f"status {status.decode()}: {answer[-200:]!r}")
    if FOUND in answer:
        raise RuntimeError(f"the server told what is in {SECRET}")


def _answer(port: int, request: bytes) -> bytes:
    """All that the server says to a request; nothing where it is not whole."""
    said: list[Any] = []
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection, suppress(ConnectionError):
        connection.sendall(request)
        if zlib.crc32(request) % LEAVING == 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset then
            connection.close()
            time.sleep(SETTLED_SECONDS)
            return b""
        connection.settimeout(QUIET_SECONDS)
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                if time.monotonic() > until:
                    raise RuntimeError("no answer") from None
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                continue
            if not part:
                break
            said.append(part)
    return b"".join(said)
