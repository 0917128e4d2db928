"""What the guard lets through: this machine's own pages, with the password, within the limits."""

from __future__ import annotations

import base64
import logging
import socket

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from unnoise.errors import UsageError
from unnoise.web.limits import WebLimits
from unnoise.web.security import POLICY, Guard
from unnoise.web.server import check_address
from web.test_api import serving

LIMITS = WebLimits(upload_megabytes=1)


def _client(host: str = "127.0.0.1:7860", address: str = "127.0.0.1", password: str | None = None) -> TestClient:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.get("/")
    def root() -> str:
        return "here"

    return TestClient(Guard(app, LIMITS, address=address, password=password), base_url=f"http://{host}")


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost", "[::1]:7860"])
def test_local_names_pass_with_the_policy(host: str) -> None:
    answer = _client(host).get("/")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:7860", "10.0.0.1:7860"])
def test_other_names_are_refused_on_a_local_address(host: str) -> None:
    answer = _client(host).get("/")
    assert answer.status_code == 403
    assert answer.text.startswith("This server answers to 127.0.0.1 alone")
    assert _client(host, address="0.0.0.0", password="secret-word").get("/").status_code == 401  # the password guards there


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9"])
def test_pages_of_other_servers_send_nothing(origin: str) -> None:
    assert _client().post("/echo", content=b"x", headers={"origin": origin}).status_code == 403
    assert _client().post("/echo", content=b"x", headers={"origin": "http://127.0.0.1:7860"}).json() == 1
    assert _client().post("/echo", content=b"x").json() == 1  # programs send none


def test_a_password_is_asked_for_and_checked() -> None:
    client = _client(address="0.0.0.0", password="secret-wörd")
    answer = client.get("/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    for user, word, status in (("unnoise", "secret-wörd", 200), ("unnoise", "secret", 401), ("other", "secret-wörd", 401)):
        token = base64.b64encode(f"{user}:{word}".encode()).decode()
        assert client.get("/", headers={"authorization": f"Basic {token}"}).status_code == status
    assert client.get("/", headers={"authorization": "Basic"}).status_code == 401


def test_a_body_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_has() -> None:
    answer = _client().post("/echo", content=b"x" * 3_000_000)
    assert answer.status_code == 413
    assert answer.text.startswith("A file may have at most 1 MB")
    parts = (b"x" * 500_000 for _ in range(6))  # sent without a length
    assert _client().post("/echo", content=parts).status_code == 413


@pytest.mark.parametrize(
    ("address", "password", "words"),
    [("0.0.0.0", None, "Others can reach 0.0.0.0; give --password"), ("127.0.0.1", "short", "has 5 characters")],
)
def test_addresses_that_others_reach_need_a_password(address: str, password: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_address(address, password)


def test_a_request_that_is_no_http_is_no_traceback() -> None:
    with serving(Guard(FastAPI(), LIMITS)) as address:
        noted: list[logging.LogRecord] = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = noted.append  # type: ignore[method-assign]
        logging.getLogger("uvicorn.error").addHandler(handler)
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as sent:
            sent.sendall(b"POST / HTTP/1.1\r\nhost: other\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello" + b"[" * 99)
            sent.shutdown(socket.SHUT_WR)
            while sent.recv(4096):
                pass
        logging.getLogger("uvicorn.error").removeHandler(handler)
    assert [record.getMessage() for record in noted if record.exc_info] == []
