"""What the soak runs for `unnoise serve`: the server, and a visitor of its page and a program that asks its API."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL = "fast"
START_SECONDS = 60.0


def load_libraries() -> None:
    """Load what the server needs, before a fork."""
    import fastapi  # noqa: F401
    import uvicorn  # noqa: F401

    import unnoise.denoisers.atbsn_students
    import unnoise.models.file_format
    import unnoise.web.api
    import unnoise.web.visit  # noqa: F401


def serve_pictures(source: str, target: str) -> None:
    """Denoise each picture of a folder by the server, in turn as a program and as a visitor of the page. Exit status 1,
    with a sentence for each: pictures failed."""
    from unnoise.errors import UnnoiseError
    from unnoise.files.atomic import atomic_write
    from unnoise.web.choices import Choices
    from unnoise.web.jobs import Jobs
    from unnoise.web.visit import Previews, Visit

    jobs, failed = Jobs(device="cpu"), 0
    try:
        visit = Visit(jobs, Previews("cpu"), "page:a")
        with _serving(jobs) as address:
            for number, file in enumerate(sorted(Path(source).iterdir())):
                try:
                    made = _as_visitor(visit, file, Choices(model=MODEL)) if number % 2 else _as_program(address, file)
                    with atomic_write(Path(target) / file.name) as temporary:
                        temporary.write_bytes(made)
                except UnnoiseError as error:
                    print(f"unnoise: {error}", file=sys.stderr)
                    failed += 1
    finally:
        jobs.close()
    sys.exit(1 if failed else 0)


@contextmanager
def _serving(jobs: object) -> Iterator[str]:
    """The address of the HTTP API, behind the guard of `unnoise serve`."""
    import uvicorn
    from fastapi import FastAPI

    from unnoise.errors import UnnoiseError
    from unnoise.web.api import add_api
    from unnoise.web.security import Guard
    from unnoise.web.server import free_port

    app = FastAPI(docs_url=None)
    add_api(app, jobs)  # type: ignore[arg-type]
    port = free_port("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(Guard(app, jobs.limits), host="127.0.0.1", port=port, log_level="critical"))  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise UnnoiseError("The server does not start.")
        time.sleep(0.005)
    yield f"http://127.0.0.1:{port}/api/v1"
    server.should_exit = True
    thread.join(30)


def _as_program(address: str, file: Path) -> bytes:
    """The result of a picture, by the HTTP API."""
    from unnoise.errors import UnnoiseError

    def ask(method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            asked = urllib.request.Request(address + path, body, method=method)
            answer: bytes = urllib.request.urlopen(asked, timeout=60).read()
        except urllib.error.HTTPError as error:
            raise UnnoiseError(json.loads(error.read())["error"]) from error
        return answer

    job = json.loads(ask("POST", f"/jobs?name={urllib.parse.quote(file.name)}&model={MODEL}", file.read_bytes()))
    while job["state"] in ("waiting", "running"):
        job = json.loads(ask("GET", f"/jobs/{job['id']}?wait=10"))
    if job["state"] != "done":
        raise UnnoiseError(job["error"])
    result = ask("GET", f"/jobs/{job['id']}/result")
    ask("DELETE", f"/jobs/{job['id']}")
    return result


def _as_visitor(visit: object, file: Path, choices: object) -> bytes:
    """The result of a picture, by what the page calls: upload, preview, *Denoise*, download, *Delete*."""
    from unnoise.errors import UnnoiseError
    from unnoise.web.visit import Visit

    assert isinstance(visit, Visit)
    uploaded = Path(shutil.copy(file, visit.queue.folder / file.name))
    for refused in visit.take([(file.name, uploaded)]):
        raise UnnoiseError(refused)
    visit.show(choices, 0.5, 0.5, "100 %")  # type: ignore[arg-type]
    (job,) = visit.submit(choices, all_pictures=False)  # type: ignore[arg-type]
    while not job.finished.wait(1):
        pass
    if job.error:
        raise UnnoiseError(job.error)
    made = job.target.read_bytes()
    visit.clear()
    return made
