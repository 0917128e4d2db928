"""Visitors who leave before the end of a request, and bodies that grow beyond the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import Response, StreamingResponse

from unnoise.web.limits import WebLimits
from unnoise.web.security import SPARE_BYTES, Guard
from unnoise.web.server import build_server

LIMITS = WebLimits(upload_megabytes=1)
LEFT = {"type": "http.disconnect"}


def _app() -> FastAPI:
    app = FastAPI()

    @app.post("/all")
    async def all_of_it(request: Request) -> int:
        return len(await request.body())

    @app.post("/group")
    async def in_a_group(request: Request) -> int:
        async with asyncio.TaskGroup() as group:
            body = group.create_task(request.body())
        return len(body.result())

    @app.post("/broken")
    async def broken(request: Request) -> int:
        raise RuntimeError("a fault of ours")

    @app.post("/begun")
    async def begun(request: Request) -> StreamingResponse:
        async def parts() -> Any:
            yield b"begun"
            yield str(len(await request.body())).encode()

        return StreamingResponse(parts())

    @app.exception_handler(RuntimeError)
    def failed(request: Request, error: Exception) -> Response:
        raise error

    @app.post("/events")
    async def events() -> StreamingResponse:
        async def parts() -> Any:
            yield b"no such session"
            raise HTTPException(404)

        return StreamingResponse(parts())

    return app


def _asked(app: Any, path: str, messages: list[dict[str, Any]], *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    """What an application answers to a request of these messages."""
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7860), "headers": [(b"host", b"127.0.0.1:7860"), *headers], "state": {},
    }  # fmt: skip
    waiting: Iterator[dict[str, Any]] = iter(messages)
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(waiting, LEFT)

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app(scope, receive, send))
    return said


def _part(data: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": True}


@pytest.mark.parametrize("path", ["/all", "/group", "/begun"])
@pytest.mark.parametrize("messages", [[LEFT], [_part(b"half"), LEFT]])
def test_a_visitor_who_leaves_is_no_error(path: str, messages: list[dict[str, Any]]) -> None:
    _asked(Guard(_app(), LIMITS), path, messages)  # what is raised here is noted as a traceback by the server


def test_a_fault_of_ours_is_still_noted() -> None:
    with pytest.raises(RuntimeError, match="a fault of ours"):
        _asked(Guard(_app(), LIMITS), "/broken", [LEFT])


@pytest.mark.parametrize("path", ["/all", "/group"])
def test_a_body_that_grows_beyond_the_limit_is_told_so(path: str) -> None:
    parts = [_part(bytes(LIMITS.upload_bytes)), _part(bytes(SPARE_BYTES)), _part(b"x")]
    start, body = _asked(Guard(_app(), LIMITS), path, parts)
    assert start["status"] == 413
    assert body["body"].startswith(b"A file may have at most 1 MB")


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    parts = [_part(bytes(LIMITS.upload_bytes)), _part(bytes(SPARE_BYTES)), _part(b"x")]
    said = _asked(Guard(_app(), LIMITS), "/begun", parts)
    assert [each["type"] for each in said].count("http.response.start") == 1


def test_a_refusal_within_an_answer_ends_it() -> None:
    said = _asked(Guard(_app(), LIMITS), "/events", [{"type": "http.request", "body": b"", "more_body": False}])
    assert [each.get("body") for each in said] == [None, b"no such session", b""]
    assert said[-1]["more_body"] is False


def test_odd_requests_to_the_page_and_a_visitor_who_leaves_within_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNNOISE_MAX_PIXELS", "GRADIO_TEMP_DIR"):  # a server sets them for its process
        monkeypatch.setenv(name, "")
    head = b'--9f3a\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    form = (b"content-type", b"multipart/form-data; boundary=9f3a")
    nameless = {"type": "http.request", "body": b'{"data": [], "session_hash": "abc"}', "more_body": False}
    server = build_server(LIMITS, device="cpu")
    try:
        _asked(server.app, "/gradio_api/upload", [_part(head + b"half of it"), LEFT], form, (b"content-length", b"999"))
        start, body = _asked(server.app, "/gradio_api/run/predict", [nameless], (b"content-type", b"application/json"))
    finally:
        server.close()
    assert start["status"] == 400
    assert b"This is no request that the page sends" in body["body"]
