"""Models on the Hub, against a server of our own that speaks as much of its language as is needed."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unnoise
from unnoise.errors import UnnoiseError, UsageError
from unnoise.models import hub

COMMIT = "a" * 40


class FakeHub(ThreadingHTTPServer):
    """Repositories in memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: Any = b"", **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"POST {self.path}")
        parts = self.path.split("/")
        if self.path == "/api/repos/create":
            made = json.loads(body)
            name = f"{made.get('organization') or 'someone'}/{made['name']}"
            self.server.repositories.setdefault(name, {})
            self._answer(200, {"url": f"{self.server.address}/{name}"})
        elif "preupload" in parts:
            files = json.loads(body)["files"]
            self._answer(200, {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "commit" in parts:
            repository = self.server.repositories["/".join(parts[3:5])]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repository[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"{self.server.address}/{'/'.join(parts[3:5])}/commit/{COMMIT}"
            self._answer(200, {"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self._answer(200, {})

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        parts = self.path.strip("/").split("/")
        repository = self.server.repositories.get("/".join(parts[:2]))
        if "resolve" in parts:
            if repository is None:
                self._answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            elif (content := repository.get("/".join(parts[4:]))) is None:
                self._answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                self._answer(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=COMMIT)
        else:
            self._answer(200, {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": []})

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    fake = FakeHub()
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    yield fake
    fake.shutdown()
    fake.server_close()


def test_what_was_pushed_is_loaded_by_its_address(server: FakeHub, tmp_path: Path) -> None:
    model = unnoise.load("fast")
    address = model.push_to_hub("someone/denoiser", endpoint=server.address, token="hf_no_secret")
    assert address == "hf://someone/denoiser"
    files = server.repositories["someone/denoiser"]
    assert {"model.safetensors", "README.md"} <= set(files)
    page = files["README.md"].decode()
    assert page.startswith("---\nlibrary_name: unnoise\n")
    assert model.card.description in page
    assert all(failure in page for failure in model.card.known_failures)
    fetched = hub.fetch(address, endpoint=server.address, token=None)
    assert fetched.read_bytes() == files["model.safetensors"]
    noisy = np.random.default_rng(0).normal(120, 20, (32, 32, 3)).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(unnoise.Model.load(fetched).denoise(noisy), model.denoise(noisy))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://someone/other", "there is no such repository, or it is private"),
        ("hf://someone/denoiser/other.safetensors", "the repository has no such file or revision"),
    ],
)
def test_what_is_not_there_is_one_sentence(server: FakeHub, address: str, words: str) -> None:
    server.repositories["someone/denoiser"] = {}
    with pytest.raises(UnnoiseError, match=words) as error:
        hub.fetch(address, endpoint=server.address)
    assert str(error.value).startswith(f"{address} could not be fetched: ")
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_without_a_network_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnnoiseError, match="the Hub cannot be reached; check the network, or give a file"):
        hub.fetch("hf://someone/denoiser", endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("address", ["hf://denoiser", "hf://", "hf://a/b@", "hf://a/../b c"])
def test_other_forms_are_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a model; write hf://OWNER/NAME"):
        unnoise.load(address)
