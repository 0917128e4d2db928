"""The page in chromium: a photograph of 24 megapixels, and ten visitors at once. Writes a row for each figure.

python benchmarks/page.py large --model default fast
python benchmarks/page.py visitors --count 10
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from unnoise import images
from unnoise.images.picture import Picture

HEIGHT, WIDTH = 4000, 6000
DETAIL_PIXELS = 16
NOISE = 12.0
"""Standard deviation, of 255."""
SMALL = (400, 600)
"""Height and width of a visitor's picture."""
PATIENCE_MS = 2_700_000
LOOK_SECONDS = 0.1
UNNOISE = [sys.executable, "-c", "from unnoise.cli import main; main()"]
WATCH = """() => {
  window.changes = [];
  const note = () => window.changes.push([performance.now(), document.querySelector('#state').textContent,
    document.querySelector('#state progress')?.value ?? null, document.querySelector('#said').textContent]);
  new MutationObserver(note).observe(document.body, {childList: true, subtree: true, characterData: true, attributes: true});
}"""
"""Notes whatever the page says, and when."""


class Watched:
    """The memory and the processor time of a process and all that it started, in bytes and seconds."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def seconds(self) -> float:
        """Processor time until now."""
        return self._sum(lambda each: sum(each.cpu_times()[:2]))

    def memory(self) -> int:
        """Memory of these processes alone."""
        return int(self._sum(lambda each: each.memory_info().rss))

    def _sum(self, of: Callable[[psutil.Process], float]) -> float:
        total = 0.0
        with suppress(psutil.NoSuchProcess):
            for each in [self.process, *self.process.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    total += of(each)
        return total

    def _watch(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
            self.peak = max(self.peak, self.memory())


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("large", "visitors", "parts"))
    parser.add_argument("--model", nargs="+", default=["default"])
    parser.add_argument("--count", type=int, default=10)
    asked = parser.parse_args()
    if asked.what == "parts":
        with tempfile.TemporaryDirectory() as folder:
            parts(_photo(Path(folder) / "large.jpg", HEIGHT, WIDTH, seed=0), asked.model)
        return
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if asked.what == "large":
            photo = _photo(Path(folder) / "large.jpg", HEIGHT, WIDTH, seed=0)
            for model in asked.model:
                large(browser, photo, model, Path(folder))
        else:
            visitors(browser, Path(folder), asked.count)
        browser.close()


def large(browser: Any, photo: Path, model: str, folder: Path) -> None:
    """One photograph: the first preview once the model is warm, the whole, and the memory beside the command line's."""
    with _serving() as (address, server):
        page = _page(browser, address, model)
        page.click("#sample-photo")
        _wait(page, "#said", "A fast preview of a part of sample-photo.png")
        page.get_by_role("tab", name="Noise").click()
        _wait(page, "#noise", "sample-photo.png")
        page.click("#delete")
        _wait(page, "#state", "Your pictures are deleted.")
        page.evaluate(WATCH)
        before, began = server.seconds(), time.monotonic()
        page.set_input_files("#files input[type=file]", str(photo))
        _wait(page, "#said", f"A fast preview of a part of {photo.name}")
        print(
            f"{model}: first preview {time.monotonic() - began:.1f} s, {server.seconds() - before:.1f} s of processor time",
            flush=True,
        )
        page.get_by_role("tab", name="Noise").click()
        _wait(page, "#noise", photo.name)
        before, began = server.seconds(), time.monotonic()
        server.peak = 0
        page.click("#start")
        _follow(page, began)
        seconds, used, peak = time.monotonic() - began, server.seconds() - before, server.peak
        values = [change[2] for change in page.evaluate("window.changes") if change[2] is not None]
        left = {
            change[1].split(", ")[-1].strip()
            for change in page.evaluate("window.changes")
            if change[1].strip().endswith("left")
        }
        steps = len(set(values))
        print(f"{model}: whole picture {seconds:.1f} s, {used:.1f} s of processor time, peak {peak / 2**20:.0f} MiB")
        print(
            f"{model}: the bar took {steps} values, {'never back' if values == sorted(values) else 'also back'}; {len(left)} times left"
        )
        page.context.close()
    command = [*UNNOISE, "denoise", str(photo), "-o", str(folder / "out.jpg"), "--model", model, "--overwrite"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched = Watched(process.pid)
    if process.wait():
        raise SystemExit("The command line failed.")
    watched.over.set()
    print(f"{model}: the command line's peak {watched.peak / 2**20:.0f} MiB")


def parts(photo: Path, models: list[str]) -> None:
    """Processor time of what happens between an upload and the first preview; each second call, with warm models."""
    from unnoise.web.choices import Choices
    from unnoise.web.jobs import Jobs
    from unnoise.web.visit import Previews, Visit

    jobs, previews = Jobs(device="cpu"), Previews("cpu")
    for model in models:
        for turn in ("cold", "warm"):
            visit = Visit(jobs, previews, "measured")
            copy = Path(shutil.copy(photo, photo.with_name("copy.jpg")))
            times = [time.process_time()]
            visit.take([(copy.name, copy)])
            times.append(time.process_time())
            visit.show(Choices(model=model), 0.5, 0.5, "100 %")
            times.append(time.process_time())
            visit.noise()
            times.append(time.process_time())
            told = zip(("overview", "preview", "noise report, after it"), pairwise(times), strict=True)
            print(f"{model}, {turn}: " + ", ".join(f"{name} {b - a:.2f} s" for name, (a, b) in told))
            visit.clear()
    jobs.close()


def visitors(browser: Any, folder: Path, count: int) -> None:
    """Each has a picture of its own. All upload, then all press *Denoise*."""
    photos = [_photo(folder / f"visitor-{number}.png", *SMALL, seed=number) for number in range(count)]
    with _serving() as (address, _):
        pages = [_page(browser, address, "fast") for _ in photos]
        for page in pages:
            page.evaluate(WATCH)
        began = time.monotonic()
        for page, photo in zip(pages, photos, strict=True):
            page.set_input_files("#files input[type=file]", str(photo))
        for page, photo in zip(pages, photos, strict=True):
            _wait(page, "#said", f"A fast preview of a part of {photo.name}")
        print(f"{count} previews: {time.monotonic() - began:.1f} s for all; {_silence(pages)}")
        for page in pages:
            page.evaluate("window.changes.length = 0; window.pressed = performance.now()")
            page.click("#start", no_wait_after=True)
        began = time.monotonic()
        for page in pages:
            _wait(page, "#state", "1 done")
        print(f"{count} results: {time.monotonic() - began:.1f} s for all; {_silence(pages)}")
        shown = [page.content() for page in pages]
        strangers = sum(photo.name in text for i, text in enumerate(shown) for j, photo in enumerate(photos) if i != j)
        _check_results(pages, photos, address, folder)
        print(f"{strangers} names of others on {count} pages; each result is that of the command line for its own picture")


def _check_results(pages: list[Any], photos: list[Path], address: str, folder: Path) -> None:
    from unnoise.batch.one_file import denoise_file
    from unnoise.models import shipped

    for page, photo in zip(pages, photos, strict=True):
        link = page.locator("#downloads a").first.get_attribute("href")
        got = page.context.request.get(address + link).body()
        denoise_file(shipped.load("fast"), photo, folder / "expected.png", overwrite=True)
        if got != (folder / "expected.png").read_bytes():
            raise SystemExit(f"The result of {photo.name} is another's.")


def _silence(pages: list[Any]) -> str:
    """The longest time in which a page said nothing new while its visitor waited."""
    longest = 0.0
    for page in pages:
        times = [change[0] for change in page.evaluate("window.changes")]
        pressed = page.evaluate("window.pressed ?? null")
        times = ([pressed] if pressed else []) + times
        longest = max([longest, *(b - a for a, b in pairwise(times))])
    return f"the longest silence {longest / 1000:.1f} s"


def _page(browser: Any, address: str, model: str) -> Any:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector("#start")
    if model != "default":
        page.get_by_label("Model", exact=True).click()
        page.get_by_role("option", name=model, exact=True).click()
    return page


def _follow(page: Any, began: float) -> None:
    """Wait for the end of a run; a line for each tenth that the bar shows."""
    told = -1
    while "1 done" not in (said := page.locator("#state").inner_text()):
        share = page.evaluate("document.querySelector('#state progress')?.value ?? 0")
        if int(10 * share) > told:
            told = int(10 * share)
            print(f"after {time.monotonic() - began:.0f} s: {said}", flush=True)
        page.wait_for_timeout(1000)
        if time.monotonic() - began > PATIENCE_MS / 1000:
            raise SystemExit(f"The picture is not done: {said}")


def _wait(page: Any, place: str, words: str) -> None:
    page.locator(f"{place} >> text={words}").first.wait_for()


def _photo(path: Path, height: int, width: int, *, seed: int) -> Path:
    """Smooth blobs with noise, as a file."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(40, 215, (height // DETAIL_PIXELS, width // DETAIL_PIXELS, 3))
    sharp = coarse.repeat(DETAIL_PIXELS, 0).repeat(DETAIL_PIXELS, 1)
    noisy = sharp + generator.normal(0, NOISE, sharp.shape).astype(np.float32)
    images.write(path, Picture(noisy.round().clip(0, 255).astype(np.uint8)))
    return path


@contextmanager
def _serving() -> Iterator[tuple[str, Watched]]:
    """The address of `unnoise serve` in a process of its own, and what it uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*UNNOISE, "serve", "--port", str(port)], stdout=subprocess.DEVNULL)
    watched = Watched(process.pid)
    try:
        while True:
            with suppress(OSError):
                urllib.request.urlopen(address).close()
                break
            if process.poll() is not None:
                raise SystemExit("The server ended.")
            time.sleep(LOOK_SECONDS)
        yield address, watched
    finally:
        watched.over.set()
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
