"""The page in Debian's chromium, without a window: from the upload to the download, and what goes wrong on the way."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.images.picture import Metadata, Picture
from unnoise.models import shipped
from unnoise.web.limits import WebLimits
from unnoise.web.server import build_server
from web.test_api import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 60_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; on Debian: apt install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("UNNOISE_MAX_PIXELS", "GRADIO_TEMP_DIR"):
            patch.setenv(name, "")
        server = build_server(WebLimits(upload_megabytes=2), device="cpu")
        with serving(server.app) as at:
            yield at
        server.close()


class Seen:
    """A visitor's page, and all that its browser asked for."""

    def __init__(self, browser: Any, address: str, **look: Any) -> None:
        self.address = address
        self.context = browser.new_context(accept_downloads=True, **look)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("#start")
        self.page.get_by_label("Model", exact=True).click()
        self.page.get_by_role("option", name="fast", exact=True).click()

    def upload(self, *files: Path) -> None:
        self.page.set_input_files("#files input[type=file]", [str(file) for file in files])

    def wait_for(self, place: str, words: str) -> None:
        self.page.locator(f"{place} >> text={words}").first.wait_for()

    def download(self, name: str, folder: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.page.locator("#downloads a", has_text=name).click()
        waiting.value.save_as(folder / waiting.value.suggested_filename)
        return folder / waiting.value.suggested_filename

    def leave(self) -> None:
        """Close the page; every request was local, and no script failed."""
        self.context.close()
        remote = [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]
        assert remote == []
        assert len(self.requests) > 10
        assert self.errors == []


def _noisy(folder: Path, name: str, seed: int, height: int = 150, width: int = 200) -> Path:
    generator = np.random.default_rng(seed)
    x = np.linspace(0, 6, width)
    clean = 30000 + 12000 * np.sin(x[None, :, None] + np.arange(3) + np.linspace(0, 4, height)[:, None, None])
    noisy = (clean + generator.normal(0, 3000, clean.shape)).clip(0, 65535).astype(np.uint16)
    images.write(folder / name, Picture(noisy, Metadata(xmp=b"<x:xmpmeta>seen by a test</x:xmpmeta>")))
    return folder / name


def test_from_the_upload_to_the_download(browser: Any, address: str, tmp_path: Path) -> None:
    seen = Seen(browser, address)
    page = seen.page
    page.click("#start")
    seen.wait_for("#state", "There is no picture yet; drop one, or choose a sample.")

    first, second = (_noisy(tmp_path, name, seed) for seed, name in enumerate(("a.tif", "b c.tif")))
    page.evaluate(
        "() => new MutationObserver(() => { window.said = (window.said || '') + document.querySelector('#state').textContent })"
        ".observe(document.body, {childList: true, subtree: true, characterData: true})"
    )
    seen.upload(first, second)
    seen.wait_for("#said", "A fast preview of a part of b c.tif")
    assert "The picture is being read." in page.evaluate("window.said"), "the page answers at once"
    images_shown = page.locator("#slider img")
    assert images_shown.count() == 2
    assert images_shown.first.evaluate("image => image.naturalWidth") >= 400, "pixels are enlarged"

    handle = page.locator("#slider .outer, #slider [role=slider], #slider .inner").first
    before = handle.bounding_box()
    page.mouse.move(before["x"] + before["width"] / 2, before["y"] + before["height"] / 2)
    page.mouse.down()
    page.mouse.move(before["x"] + before["width"] / 2 + 100, before["y"] + before["height"] / 2, steps=5)
    page.mouse.up()
    assert handle.bounding_box()["x"] > before["x"] + 50, "the slider follows the mouse"

    page.click("#start")
    seen.wait_for("#state", "2 done")
    seen.wait_for("#said", "The result of b c.tif.")
    page.get_by_role("tab", name="Command line").click()
    command = page.locator("#command textarea, #command input").input_value()
    assert command == "unnoise denoise 'b c.tif' --model fast"
    page.get_by_role("tab", name="Noise").click()
    seen.wait_for("#noise", "Noise level")

    (tmp_path / "down").mkdir()
    result = seen.download("Download b c_denoised.tif", tmp_path / "down")
    denoise_file(shipped.load("fast"), second, tmp_path / "expected.tif")
    assert result.read_bytes() == (tmp_path / "expected.tif").read_bytes(), "the same file as on the command line"
    assert b"seen by a test" in result.read_bytes()
    with zipfile.ZipFile(seen.download("Download all 2 as zip", tmp_path / "down")) as archive:
        assert sorted(archive.namelist()) == ["a_denoised.tif", "b c_denoised.tif"]

    (tmp_path / "bad.png").write_bytes(b"no picture")
    seen.upload(tmp_path / "bad.png")
    seen.wait_for("#state", "bad.png")
    large = tmp_path / "large.npy"
    large.write_bytes(b"x" * 3_000_000)
    seen.upload(large)
    page.get_by_text("exceed the maximum allowed size", exact=False).first.wait_for()

    page.click("#delete")
    seen.wait_for("#state", "Your pictures are deleted.")
    seen.leave()


def test_two_visitors_see_their_own_pictures_and_cancel(browser: Any, address: str, tmp_path: Path) -> None:
    mine, other = Seen(browser, address), Seen(browser, address)
    mine.upload(_noisy(tmp_path, "mine.tif", 1, 400, 500))
    mine.wait_for("#said", "A fast preview of a part of mine.tif")
    mine.page.check("#judge input")
    mine.page.click("#start")
    other.upload(_noisy(tmp_path, "other.tif", 2))
    other.wait_for("#said", "A fast preview of a part of other.tif")
    assert "mine.tif" not in other.page.content()
    assert "other.tif" not in mine.page.content()
    mine.page.click("#stop")
    mine.page.locator("#state >> text=/1 cancelled|Cancelled/").first.wait_for()
    assert mine.page.locator("#downloads a").count() == 0
    other.page.click("#start")
    other.wait_for("#state", "1 done")
    address_of_result = other.page.locator("#downloads a").first.get_attribute("href")
    other.leave()
    mine.page.wait_for_timeout(1500)  # the server hears that the page is closed
    answer = mine.context.request.get(address + address_of_result)
    assert answer.status == 404, "the files of a visitor who left are gone"
    mine.leave()


def test_on_a_phone_in_the_dark_and_by_keyboard(browser: Any, address: str, tmp_path: Path) -> None:
    seen = Seen(browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = seen.page
    seen.upload(_noisy(tmp_path, "a.tif", 3))
    seen.wait_for("#said", "A fast preview of a part of a.tif")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, background.strip("rgba()").split(",")[:3])) < 150
    page.locator("#judge input").focus()
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "start":
            break
    assert page.evaluate("document.activeElement.id") == "start"
    page.keyboard.press("Enter")
    seen.wait_for("#state", "1 done")
    page.locator("#downloads a").first.focus()
    assert page.evaluate("document.activeElement.textContent") == "Download a_denoised.tif"
    seen.leave()
