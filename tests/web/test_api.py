"""The HTTP API, asked by the client that its own page shows, over a real connection."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from small_disk import small_files
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.images.picture import Metadata, Picture
from unnoise.models import shipped
from unnoise.web.api import add_api
from unnoise.web.api_page import ABOUT, PYTHON, page
from unnoise.web.choices import Choices
from unnoise.web.jobs import Jobs
from unnoise.web.limits import WebLimits
from unnoise.web.security import Guard
from unnoise.web.server import free_port

LIMITS = WebLimits(upload_megabytes=1, megapixels=1)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server that runs in a thread."""
    port = free_port("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The names of the client on the API's page, told this server's address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNNOISE_MAX_PIXELS", "1000000000")
        LIMITS.apply_to_decoders()
        jobs = Jobs(LIMITS, device="cpu", parent=tmp_path_factory.mktemp("serve"))
        app = FastAPI(docs_url=None)
        add_api(app, jobs)
        with serving(Guard(app, LIMITS)) as address:
            names: dict[str, Any] = {}
            exec(PYTHON, names)
            names["SERVER"] = f"{address}/api/v1"
            names["jobs"] = jobs
            yield names
        jobs.close()


def _picture(folder: Path, name: str = "a.tif", seed: int = 0) -> bytes:
    noisy = np.random.default_rng(seed).normal(30000, 4000, (40, 48)).clip(0, 65535).astype(np.uint16)
    images.write(folder / name, Picture(noisy, Metadata(xmp=b"<x:xmpmeta>seen by a test</x:xmpmeta>")))
    return (folder / name).read_bytes()


def _refused(client: dict[str, Any], *arguments: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        client["ask"](*arguments)
    return error.value.code, json.loads(error.value.read())["error"]


def test_the_clients_result_is_that_of_the_command_line(client: dict[str, Any], tmp_path: Path) -> None:
    sent = _picture(tmp_path)
    result = client["denoise"]("a.tif", sent, model="fast", strength="0.8")
    denoise_file(shipped.load("fast"), tmp_path / "a.tif", tmp_path / "b.tif", strength=0.8)
    assert result == (tmp_path / "b.tif").read_bytes()
    assert b"seen by a test" in result
    assert not list(client["jobs"].folder.glob("*/in/*")), "the client deletes its job"


def test_noise_report_verdict_and_zip(client: dict[str, Any], tmp_path: Path) -> None:
    ask = client["ask"]
    sent = _picture(tmp_path)
    made = [json.loads(ask("POST", "/jobs?name=a.tif&model=fast&report=true", sent)) for _ in range(2)]
    jobs = [json.loads(ask("GET", f"/jobs/{job['id']}?wait=30")) for job in made]
    assert {job["state"] for job in jobs} == {"done"}
    assert all(job["sentence"].lower().startswith(job["verdict"]) for job in jobs)
    assert json.loads(ask("GET", f"/jobs/{jobs[0]['id']}/noise"))["width"] == 48
    assert ask("GET", f"/jobs/{jobs[0]['id']}/report").startswith(b"\x89PNG")
    assert "gain" in json.loads(ask("GET", f"/jobs/{jobs[0]['id']}/report.json"))
    archive = zipfile.ZipFile(io.BytesIO(ask("GET", f"/zip?job={jobs[0]['id']}&job={jobs[1]['id']}")))
    assert {"a_denoised.tif", "a_denoised-2.tif", "a_denoised.report.png"} <= set(archive.namelist())
    assert archive.read("a_denoised.tif") == ask("GET", f"/jobs/{jobs[0]['id']}/result")
    for job in jobs:
        ask("DELETE", f"/jobs/{job['id']}")
    assert _refused(client, "GET", f"/jobs/{jobs[0]['id']}/result")[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/jobs?name=a.exe", b"x", 400, "a.exe is no picture that is known"),
        ("/jobs?name=a.png&strength=2", b"x", 400, "parameter 'strength' does not take '2'"),
        ("/jobs?name=a.png&colour=2", b"x", 400, "no parameter 'colour'; it has model"),
        ("/jobs?name=a.png&model=../x", b"x", 400, "There is no model '../x'; choose one of"),
        ("/jobs?name=a.png", b"", 400, "a.png is empty"),
        ("/jobs?name=a.png", b"x" * 1_500_000, 413, "a.png has more than 1 MB"),
    ],
)
def test_bad_requests_are_one_sentence_and_leave_nothing(
    client: dict[str, Any], path: str, body: bytes, status: int, words: str
) -> None:
    found, sentence = _refused(client, "POST", path, body)
    assert (found, words in sentence) == (status, True), sentence
    assert not list(client["jobs"].folder.glob("*/in"))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(client: dict[str, Any]) -> None:
    with small_files(10_000):
        found, sentence = _refused(client, "POST", "/jobs?name=a.png&model=fast", b"x" * 100_000)
    assert (found, sentence) == (507, "The server has no room for a.png; delete pictures, or try again later.")
    assert not list(client["jobs"].folder.glob("*/in"))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(client: dict[str, Any]) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (9000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    job = json.loads(client["ask"]("POST", "/jobs?name=a.png&model=fast", png + b"\0" * 90_000))
    job = json.loads(client["ask"]("GET", f"/jobs/{job['id']}?wait=30"))
    assert job["state"] == "failed"
    assert job["error"].startswith("a.png has 81,000,000 pixels, more than the limit of 1,000,000")


def test_ten_visitors_at_once_each_get_their_own(client: dict[str, Any], tmp_path: Path) -> None:
    sent = [_picture(tmp_path, f"{seed}.tif", seed) for seed in range(10)]
    with ThreadPoolExecutor(10) as visitors:
        results = list(visitors.map(lambda seed: client["denoise"](f"{seed}.tif", sent[seed], model="fast"), range(10)))
    for seed in (0, 9):
        denoise_file(shipped.load("fast"), tmp_path / f"{seed}.tif", tmp_path / "b.tif", overwrite=True)
        assert results[seed] == (tmp_path / "b.tif").read_bytes()
    assert len(set(results)) == 10


def test_the_page_describes_what_is_there(client: dict[str, Any]) -> None:
    assert set(ABOUT) == {"name", *Choices.model_fields}
    text = urllib.request.urlopen(client["SERVER"].replace("/v1", "")).read().decode()
    assert text == page(LIMITS)
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    names = [each["name"] for each in json.loads(client["ask"]("GET", "/models"))]
    assert names == shipped.names()
