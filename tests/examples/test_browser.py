"""The page in `examples/browser/`, in Debian's chromium: what it gives is what the command line gives, to 1 of 255."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unnoise
from unnoise import images
from unnoise.export.onnx_file import export
from unnoise.images.picture import Picture

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LIBRARY = "onnxruntime-web@1.30.0"
PATIENCE_MS = 120_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder with the model `fast` and onnxruntime-web, which npm fetches, or `ONNXRUNTIME_WEB` holds."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; on Debian: apt install chromium")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.onnx", "onnxruntime-web"))
    ready = os.environ.get("ONNXRUNTIME_WEB")
    if ready:
        shutil.copytree(ready, folder / "onnxruntime-web")
    else:
        _fetch(folder)
    export(unnoise.load("fast"), folder / "model.onnx")
    return folder


def _fetch(folder: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("onnxruntime-web is absent: npm is not installed, and ONNXRUNTIME_WEB names no folder")
    packed = subprocess.run(["npm", "pack", LIBRARY], cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    archives = list(folder.glob("onnxruntime-web-*.tgz"))
    if packed.returncode or not archives:
        pytest.skip(f"onnxruntime-web is absent: npm cannot fetch it ({packed.stderr.strip().splitlines()[-1:]})")
    (folder / "onnxruntime-web").mkdir()
    command = ["tar", "xf", str(archives[0]), "-C", str(folder / "onnxruntime-web"), "--strip-components", "2", "package/dist"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")  # a test changes a script
        super().end_headers()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(accept_downloads=True)
        opened.set_default_timeout(PATIENCE_MS)
        opened.asked = []
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto(address)
        opened.locator("#state", has_text="Ready: ").wait_for()
        yield opened
        browser.close()


def photo(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 with noise, nowhere black or white."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.sin(columns / 19), np.sin(columns / 12 + rows / 27), np.cos(rows / 9)
    scene = np.stack([120 + 50 * wave for wave in waves], -1)
    return np.clip(scene + generator.normal(0, 10, scene.shape), 5, 250).astype(np.uint8)


def denoised(page: Any, file: Path, out: Path) -> np.ndarray:
    page.set_input_files("#file", str(file))
    page.locator("#save").wait_for(state="visible")
    with page.expect_download() as waiting:
        page.locator("#save").click()
    waiting.value.save_as(out)
    saved = images.read(out).pixels
    assert (saved[..., 3:] == 255).all()  # browsers write an opacity
    return saved[..., :3]


def test_the_result_is_the_command_line_s(page: Any, site: Path, address: str, tmp_path: Path) -> None:
    noisy = photo(203, 317)
    images.write(tmp_path / "photo.png", Picture(noisy))
    got = denoised(page, tmp_path / "photo.png", tmp_path / "browser.png")
    command = ["unnoise", "denoise", "photo.png", "-o", "line.png", "--model", str(site / "model.onnx"), "--unbounded"]
    command += ["--detail", "0", "--bias-correction", "none"]
    program = "import sys; sys.argv = sys.argv[1:]; from unnoise.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = images.read(tmp_path / "line.png").pixels
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).max() <= 1
    assert np.abs(got.astype(int) - noisy).mean() > 3  # it was denoised
    assert all(url.startswith((address, "blob:")) for url in page.asked)  # nothing is sent anywhere
    if kept := os.environ.get("UNNOISE_SCREENSHOT"):
        page.screenshot(path=kept, full_page=True)


def test_tiles_give_what_the_whole_gives(page: Any, site: Path, address: str, tmp_path: Path) -> None:
    """In 40 tiles of 32 pixels; most of the pixels that are read lie in the halo."""
    images.write(tmp_path / "photo.png", Picture(photo(100, 317)))
    whole = denoised(page, tmp_path / "photo.png", tmp_path / "whole.png")
    script = (site / "worker.js").read_text(encoding="utf-8")
    try:
        (site / "worker.js").write_text(script.replace("TILE_BYTES = 600e6", "TILE_BYTES = 5e6"), encoding="utf-8")
        page.reload()
        page.locator("#state", has_text="Ready: ").wait_for()
        page.evaluate("""() => { window.said = []; new MutationObserver(() => said.push(state.textContent))
            .observe(state, { childList: true, subtree: true, characterData: true }); }""")
        tiled = denoised(page, tmp_path / "photo.png", tmp_path / "tiled.png")
    finally:
        (site / "worker.js").write_text(script, encoding="utf-8")
    told = [words for words in page.evaluate("said") if words.endswith("%")]
    assert len(told) > 20  # one for each tile, but those that the observer sees together
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_what_is_no_picture_is_told(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#file", str(tmp_path / "notes.png"))
    page.locator("#state", has_text="notes.png is no picture that this browser can read").wait_for()
