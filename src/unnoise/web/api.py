"""The HTTP API: a picture in, a job, its progress, its result. `api_page` documents it."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from unnoise.errors import UnnoiseError, UsageError, explain_validation
from unnoise.models import shipped
from unnoise.models.description import describe
from unnoise.models.inspection import inspect_file
from unnoise.web.api_page import page
from unnoise.web.choices import Choices
from unnoise.web.failures import NoMemoryError, NoRoomError, ServerError, failure_of
from unnoise.web.job import Job, State
from unnoise.web.jobs import Jobs, QueueFullError
from unnoise.web.limits import WebLimits

LONGEST_WAIT_SECONDS = 30.0
"""That a question for a job's state may wait for its end."""
PREFIX = "/api/v1"


class NotFoundError(UnnoiseError):
    """There is no such job, or no such result."""


class TooLargeError(UnnoiseError):
    """A file has more bytes than the limit."""


STATUS: tuple[tuple[type[UnnoiseError], int], ...] = (
    (NotFoundError, 404),
    (TooLargeError, 413),
    (QueueFullError, 429),
    (NoRoomError, 507),
    (NoMemoryError, 503),
    (ServerError, 500),
    (UsageError, 400),
    (UnnoiseError, 422),
)
"""The status of each kind of error; the first that fits."""


def add_api(app: FastAPI, jobs: Jobs) -> None:
    """Add the API's routes and its page to an application."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/models")
    def models() -> list[dict[str, str]]:
        """The models that ship."""
        return [{"name": name, "about": describe(name).card.description} for name in shipped.names()]

    @router.post("/jobs", status_code=202)
    async def new_job(request: Request, name: str) -> dict[str, Any]:
        """Send a picture. The body is the file, the parameters are the choices."""
        choices = _choices({key: value for key, value in request.query_params.items() if key != "name"})
        visitor = f"api:{request.client.host if request.client else ''}"
        job = await asyncio.to_thread(jobs.new, visitor, name, choices)
        try:
            await receive(request.stream(), job.source, jobs.limits)
            jobs.submit(job)
        except BaseException:
            jobs.delete(job)
            raise
        return _facts(jobs, job)

    @router.get("/jobs/{id}")
    async def state(id: str, wait: Annotated[float, Query(ge=0)] = 0) -> dict[str, Any]:
        """Where a job stands; with `wait`, when it has ended or after so many seconds."""
        job = _job(jobs, id)
        until = asyncio.get_running_loop().time() + min(wait, LONGEST_WAIT_SECONDS)
        while not job.state.is_ended and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        return _facts(jobs, job)

    @router.get("/jobs/{id}/result")
    def result(id: str) -> FileResponse:
        """The restored file, as the command line writes it."""
        return _file(_done(jobs, id).target)

    @router.get("/jobs/{id}/report")
    def report(id: str) -> FileResponse:
        """The judgement as a picture."""
        return _file(_report(jobs, id, ".png"), shown=True)

    @router.get("/jobs/{id}/report.json")
    def report_numbers(id: str) -> FileResponse:
        """The judgement as numbers."""
        return _file(_report(jobs, id, ".json"), shown=True)

    @router.get("/jobs/{id}/noise")
    def noise(id: str) -> Response:
        """What `unnoise inspect --json` tells of the picture."""
        return Response(json.dumps(inspect_file(_job(jobs, id).source).model_dump(mode="json")), media_type="application/json")

    @router.delete("/jobs/{id}", status_code=204)
    def delete(id: str) -> None:
        """Cancel a job, and delete its files."""
        jobs.delete(_job(jobs, id))

    @router.get("/zip")
    def all_results(job: Annotated[list[str], Query()]) -> FileResponse:
        """The results of several jobs in one file."""
        path = write_zip([_done(jobs, id) for id in job])
        return FileResponse(path, filename="denoised.zip", background=BackgroundTask(path.unlink, missing_ok=True))

    app.include_router(router)

    @app.get("/api", response_class=HTMLResponse, include_in_schema=False)
    def documentation() -> str:
        return page(jobs.limits)

    @app.exception_handler(UnnoiseError)
    async def refused(request: Request, error: UnnoiseError) -> JSONResponse:
        status = next(code for kind, code in STATUS if isinstance(error, kind))
        return JSONResponse({"error": str(error)}, status)

    @app.exception_handler(OSError)
    @app.exception_handler(MemoryError)
    @app.exception_handler(RuntimeError)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        """The disk is full, or memory is."""
        failure = failure_of(error, request.query_params.get("name", "this picture"))
        if failure is None:
            raise error
        return await refused(request, failure)


async def receive(body: AsyncIterator[bytes], path: Path, limits: WebLimits) -> None:
    """Write a request's body to a file, as it comes.

    Raises:
        TooLargeError: it has more bytes than the limit.
        UsageError: it is empty, or the visitor went away.
    """
    size = 0
    too_large = TooLargeError(
        f"{path.name} has more than {limits.upload_megabytes} MB; give a smaller file, or use the command line."
    )
    try:
        with path.open("wb") as file:
            async for part in body:
                size += len(part)
                if size > limits.upload_bytes:
                    raise too_large
                await asyncio.to_thread(file.write, part)
    except ClientDisconnect:  # also how the guard ends a body that is too large
        raise too_large if size else UsageError(f"{path.name} did not arrive; send it again.") from None
    if not size:
        raise UsageError(f"{path.name} is empty; send the file as the body of the request.")


def write_zip(jobs: list[Job]) -> Path:
    """The results of jobs in one file, in the folder of the first. Equal names get a number.

    Raises:
        NotFoundError: there is none.
    """
    if not jobs:
        raise NotFoundError("There is no result to put into a zip; denoise a picture first.")
    path = jobs[0].folder / "all.zip"
    used: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # pictures are compressed already
        for job in jobs:
            for file in (job.target, *(job.report_stem.with_name(job.report_stem.name + s) for s in (".png", ".json"))):
                if file.exists():
                    name, number = file.name, 2
                    while name in used:
                        name, number = f"{file.stem}-{number}{file.suffix}", number + 1
                    used.add(name)
                    archive.write(file, name)
    return path


def _choices(given: dict[str, str]) -> Choices:
    try:
        return Choices.model_validate(given)
    except ValidationError as error:
        raise UsageError(explain_validation(error, "The request", known=Choices.model_fields, kind="parameter")) from error


def _facts(jobs: Jobs, job: Job) -> dict[str, Any]:
    return job.facts(jobs.ahead(job))


def _job(jobs: Jobs, id: str) -> Job:
    job = jobs.get(id)
    if job is None:
        raise NotFoundError("There is no such picture here; it was deleted, or the address is wrong.")
    return job


def _done(jobs: Jobs, id: str) -> Job:
    job = _job(jobs, id)
    if job.state is not State.DONE:
        raise NotFoundError(job.error or f"{job.name} has no result, it is {job.state}; ask for its state first.")
    return job


def _report(jobs: Jobs, id: str, suffix: str) -> Path:
    job = _done(jobs, id)
    path = job.report_stem.with_name(job.report_stem.name + suffix)
    if not path.exists():
        raise NotFoundError(f"{job.name} has no report; send it with report=true.")
    return path


def _file(path: Path, *, shown: bool = False) -> FileResponse:
    """A file; `shown`: for the page, else to be saved under its name. Browsers never take it for a page of this server."""
    kind = "inline" if shown else "attachment"
    media = None if shown else "application/octet-stream"
    return FileResponse(path, media_type=media, headers={"content-disposition": f"{kind}; filename*=utf-8''{quote(path.name)}"})
