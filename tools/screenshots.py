"""Make the pictures of the page and of napari under docs/images, from this build.

    python tools/screenshots.py                       # the page, in chromium without a window
    xvfb-run -a python tools/screenshots.py napari    # napari, on a display

Each picture is looked at before it is committed.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WEBP_QUALITY = 82
PATIENCE_MS = 180_000
DESKTOP, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 1500}
NAPARI_PATIENCE_SECONDS = 180


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("page", "napari"), default="page")
    (shoot_page if parser.parse_args().what == "page" else shoot_napari)()


def shoot_page() -> None:
    """The page on a desktop and on a phone, with the sample photo."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with serving() as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = _opened(browser, address, DESKTOP, "light")
        page.check("#judge input")
        _denoise(page)
        page.get_by_role("tab", name="Verdict").click()
        page.wait_for_function("document.querySelector('.unnoise-report')?.naturalWidth > 0")
        _save(page.screenshot(full_page=True), "page")
        page.locator("#zoom").get_by_text("400 %").click()
        page.locator("#said >> text=The result of").wait_for()
        page.wait_for_timeout(1500)
        page.get_by_role("tab", name="What was removed").click()
        page.wait_for_timeout(500)
        _save(page.screenshot(full_page=True), "page-pixels")
        phone = _opened(browser, address, PHONE, "dark")
        _denoise(phone)
        _save(phone.screenshot(full_page=True), "page-phone")
        browser.close()


@contextmanager
def serving() -> Iterator[str]:
    """A server of this build; its address."""
    import uvicorn

    from unnoise.web.server import build_server, free_port

    made = build_server(device="cpu")
    port = free_port("127.0.0.1", None)
    server = uvicorn.Server(uvicorn.Config(made.app, port=port, log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        made.close()


def _opened(browser: Any, address: str, size: dict[str, int], scheme: str) -> Any:
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.click("#sample-photo")
    page.locator("#said >> text=A fast preview").wait_for()
    page.wait_for_timeout(1000)  # until the pictures are drawn
    return page


def _denoise(page: Any) -> None:
    page.click("#start")
    page.locator("#state >> text=1 done").wait_for()
    page.locator("#said >> text=The result of").wait_for()
    page.wait_for_timeout(1500)


def shoot_napari() -> None:
    """napari with the three widgets, a noisy sky and the restored one, and the report."""
    warnings.simplefilter("ignore")
    import napari
    import npe2
    from qtpy.QtWidgets import QApplication

    from unnoise import images
    from unnoise.web.samples import write_sample

    manifest = Path(__file__).parents[1] / "src" / "unnoise" / "napari_plugin" / "napari.yaml"
    npe2.PluginManager.instance().register(npe2.PluginManifest.from_file(manifest), warn_disabled=False)
    with tempfile.TemporaryDirectory() as folder:
        noisy = images.read(write_sample("sky", Path(folder))).pixels[100:500, 100:500]
    viewer = napari.Viewer()

    def wait(seconds: float, until: Any = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            QApplication.instance().processEvents()
            time.sleep(0.01)

    layer = viewer.add_image(noisy, name="sky", contrast_limits=(700, 6000), gamma=0.7)
    viewer.window.resize(1300, 900)
    widgets = [viewer.window.add_plugin_dock_widget("unnoise", name)[1] for name in ("Denoise", "Report", "Train")]
    widgets[0]()
    wait(NAPARI_PATIENCE_SECONDS, lambda: len(viewer.layers) > 1)
    widgets[1].layer.value, widgets[1].restored.value = layer, viewer.layers[1]
    panels = len(viewer.window.dock_widgets)
    widgets[1]()
    wait(NAPARI_PATIENCE_SECONDS, lambda: len(viewer.window.dock_widgets) > panels)
    viewer.grid.enabled = True
    viewer.reset_view()
    wait(2)
    pixels = viewer.window.screenshot(flash=False, canvas_only=False)
    viewer.close()
    Image.fromarray(pixels[..., :3]).save(IMAGES / "napari.webp", quality=WEBP_QUALITY, method=6)


def _save(png: bytes, name: str) -> None:
    Image.open(io.BytesIO(png)).convert("RGB").save(IMAGES / f"{name}.webp", quality=WEBP_QUALITY, method=6)


if __name__ == "__main__":
    main()
