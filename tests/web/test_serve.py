"""`unnoise serve` before it serves: bad calls are one sentence. And the page's own pieces, without a browser."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import call
from small_disk import small_files
from unnoise import images
from unnoise.errors import UnnoiseError
from unnoise.images.picture import Picture
from unnoise.web.choices import Choices
from unnoise.web.failures import NoRoomError
from unnoise.web.jobs import Jobs
from unnoise.web.limits import WebLimits
from unnoise.web.server import free_port
from unnoise.web.view import WHOLE
from unnoise.web.visit import Previews, Visit


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--address", "0.0.0.0"], 2, "Others can reach 0.0.0.0; give --password"),
        (["--password", "short"], 2, "The password has 5 characters"),
        (["--port", "99999"], 2, "--port"),
        (["--upload-mb", "0"], 2, "--upload-mb"),
    ],
)
def test_bad_calls_are_one_sentence(
    arguments: list[str], status: int, words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call(monkeypatch, capfd, "serve", *arguments)
    assert answer.status == status
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_port_in_use_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = call(monkeypatch, capfd, "serve", "--port", port)
    assert (answer.status, answer.err) == (
        1, f"unnoise: Port {port} of 127.0.0.1 is in use or cannot be bound; choose another with --port.\n"
    )  # fmt: skip


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    gone: Any = None
    monkeypatch.setitem(sys.modules, "uvicorn", gone)
    answer = call(monkeypatch, capfd, "serve")
    assert answer.status == 1
    assert "pip install '.[web]'" in answer.err


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    jobs = Jobs(WebLimits(), device="cpu", parent=tmp_path)
    yield Visit(jobs, Previews("cpu"), "page:a")
    jobs.close()


def _file(folder: Path, name: str, pixels: np.ndarray) -> tuple[str, Path]:
    images.write(folder / name, Picture(pixels))
    return name, folder / name


def test_a_preview_comes_close_to_the_result_that_follows(visit: Visit, tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).normal(120, 20, (96, 130, 3)).clip(0, 255).astype(np.uint8)
    assert visit.take([_file(tmp_path, "a.png", noisy)]) == []
    assert not (tmp_path / "a.png").exists(), "the upload is moved, not copied"
    fast = Choices(model="fast")
    (before, after, _), said = visit.show(fast, 0.5, 0.5, "100 %")
    assert said.startswith("A fast preview of a part of a.png")
    first = images.read(after).pixels.astype(float)
    (job,) = visit.submit(fast, all_pictures=False)
    assert job.finished.wait(60)
    (noisy_file, restored, removed), said = visit.show(fast, 0.5, 0.5, "100 %")
    assert said == "The result of a.png."
    assert not before.exists(), "files of an earlier view are deleted"
    shown = images.read(restored).pixels
    np.testing.assert_array_equal(
        shown[:: shown.shape[0] // 96][:96, :: shown.shape[1] // 130][:, :130], images.read(job.target).pixels
    )
    assert np.abs(first - shown).mean() < 2
    assert images.read(removed).pixels.shape == images.read(noisy_file).pixels.shape
    (whole, _, _), _ = visit.show(fast, 0.1, 0.9, WHOLE)
    np.testing.assert_array_equal(images.read(whole).pixels, noisy)
    _, said = visit.show(Choices(model="fast", strength=0.5), 0.5, 0.5, WHOLE)
    assert said.startswith("A fast preview"), "another strength is another picture"


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(0).normal(500, 20, (64, 64)).astype(np.uint16),
        np.random.default_rng(0).normal(0.5, 0.1, (64, 64)).astype(np.float32),
        np.random.default_rng(0).normal(120, 20, (64, 64, 4)).clip(0, 255).astype(np.uint8),
    ],
    ids=["counts", "floats", "alpha"],
)
def test_measurements_and_alpha_are_shown_too(visit: Visit, pixels: np.ndarray, tmp_path: Path) -> None:
    assert visit.take([_file(tmp_path, "a.tif", pixels)]) == []
    (before, after, _), _ = visit.show(Choices(model="fast"), 0.5, 0.5, "400 %")
    noisy, restored = (images.read(path).pixels.astype(float) for path in (before, after))
    assert restored.std() < 0.6 * noisy.std()
    assert "Noise level" in visit.noise()


def test_what_is_no_picture_is_refused_and_the_others_stay(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.exe").write_bytes(b"no picture")
    refused = visit.take(
        [
            ("b.png", tmp_path / "b.png"),
            ("c.exe", tmp_path / "c.exe"),
            _file(tmp_path, "a.png", np.zeros((16, 16, 3), np.uint8)),
        ]
    )
    assert len(refused) == 2
    assert all(sentence.startswith(name) for sentence, name in zip(refused, ("b.png", "c.exe"), strict=True))
    assert [name for name, _ in visit.names] == ["a.png"]
    assert not list(tmp_path.glob("*.*"))
    visit.clear()
    with pytest.raises(UnnoiseError, match="There is no picture yet"):
        visit.show(Choices(), 0.5, 0.5, "100 %")
    assert not list(visit.queue.folder.glob("*/in"))


def test_a_full_disk_is_told(visit: Visit, tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).normal(120, 20, (96, 130, 3)).clip(0, 255).astype(np.uint8)
    assert visit.take([_file(tmp_path, "a.png", noisy)]) == []
    with small_files(1000), pytest.raises(NoRoomError, match=r"The server has no room for a\.png; delete pictures"):
        visit.show(Choices(model="fast"), 0.5, 0.5, "100 %")
    visit.show(Choices(model="fast"), 0.5, 0.5, "100 %")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_an_upload_that_cannot_be_kept_is_refused(
    error: Exception, visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("unnoise.web.visit.shutil.move", fail)
    (sentence,) = visit.take([_file(tmp_path, "a.png", np.zeros((16, 16, 3), np.uint8))])
    assert sentence.startswith(("The server has no room for a.png;", "The server has not enough memory for a.png;"))
    assert visit.names == []
    assert not list(visit.queue.folder.glob("*/in"))


def test_views_are_made_in_order_and_each_knows_how_many_come_before() -> None:
    previews = Previews("cpu")
    go_on = threading.Event()
    order: list[int] = []
    views = [previews.begin(lambda number=number: (go_on.wait(60), order.append(number))) for number in range(4)]
    assert [ahead() for _, ahead in views] == [0, 1, 2, 3]
    go_on.set()
    for view, _ in views:
        view.result(60)
    assert order == [0, 1, 2, 3]
    until = time.monotonic() + 30
    while views[3][1]() and time.monotonic() < until:  # it is counted just after its result is there
        time.sleep(0.01)
    assert [ahead() for _, ahead in views] == [0, 0, 0, 0]


@pytest.mark.slow
def test_a_server_that_is_stopped_while_a_page_is_open_says_so_and_no_more() -> None:
    command = [sys.executable, "-c", "from unnoise.cli import main; main()", "serve", "--port"]
    port = free_port("127.0.0.1", None)
    server = subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert "unnoise runs at" in server.stdout.readline()
    until = time.monotonic() + 60
    while True:
        try:
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/heartbeat/abc", timeout=30)
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
    server.send_signal(signal.SIGTERM)
    _, said = server.communicate(timeout=60)
    page.close()
    assert "Traceback" not in said
    assert said.strip() in ("", "unnoise: Stopped.")
