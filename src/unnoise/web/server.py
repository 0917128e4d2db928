"""The server: the page and the HTTP API on one address, behind one guard."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from unnoise.errors import UnnoiseError, UsageError
from unnoise.web.limits import WebLimits
from unnoise.web.security import Guard, is_local

PORT = 7860
TRIED_PORTS = 20
"""If no port was asked for, the first free one of so many is taken."""
SHORTEST_PASSWORD = 8


@dataclass(frozen=True)
class Server:
    """A server that is ready to run.

    Attributes:
        app: the ASGI application.
        close: deletes all files; to be called at the end.
    """

    app: Any
    close: Callable[[], None]


def check_address(address: str, password: str | None) -> None:
    """Raise `UsageError` for an address that others reach without a password, and for a short password.

    >>> check_address("127.0.0.1", None)
    >>> check_address("0.0.0.0", None)
    Traceback (most recent call last):
    unnoise.errors.UsageError: Others can reach 0.0.0.0; give --password, or leave --address out.
    """
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise UsageError(f"The password has {len(password)} characters; give at least {SHORTEST_PASSWORD}.")
    if not is_local(address) and password is None:
        raise UsageError(f"Others can reach {address}; give --password, or leave --address out.")


def build_server(
    limits: WebLimits | None = None, *, address: str = "127.0.0.1", password: str | None = None, device: str = "auto"
) -> Server:
    """Build the application.

    Args:
        limits: what visitors may send; None: the usual limits.
        address: that it will be bound to.
        password: that every request needs; None: none.
        device: where models run.

    Raises:
        UsageError: as `check_address`.
        UnnoiseError: the extra `web` is not installed.
    """
    check_address(address, password)
    limits = limits or WebLimits()
    from unnoise.registry import require

    for library in ("gradio", "fastapi", "uvicorn", "matplotlib"):
        require(library, "unnoise serve")
    from unnoise.web.jobs import Jobs

    jobs = Jobs(limits, device=device)
    limits.apply_to_decoders()
    os.environ["GRADIO_TEMP_DIR"] = str(jobs.folder / "page")  # what it keeps goes with the rest
    import gradio as gr
    from fastapi import FastAPI
    from starlette.routing import Mount

    from unnoise.web.api import add_api
    from unnoise.web.failures import refuse_odd_requests
    from unnoise.web.page import build_page
    from unnoise.web.style import CSS
    from unnoise.web.visit import Previews

    app = FastAPI(title="unnoise", docs_url=None, redoc_url=None, openapi_url=None)  # their pages load scripts from elsewhere
    add_api(app, jobs)
    gr.set_static_paths([jobs.folder])  # shown from where they lie; nobody can guess a job's folder
    theme = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="zinc",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    mounted = gr.mount_gradio_app(
        app,
        build_page(jobs, Previews(device)),
        path="/",
        footer_links=[],
        run_history=False,
        max_file_size=limits.upload_bytes,
        show_error=True,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=theme,
        css=CSS,
    )
    for route in mounted.routes:
        if isinstance(route, Mount):
            refuse_odd_requests(route.app)
    return Server(Guard(mounted, limits, address=address, password=password), jobs.close)


def free_port(address: str, asked: int | None) -> int:
    """The port that was asked for, or the first free one from `PORT` on.

    Raises:
        UnnoiseError: the port, or each of those tried, is in use.

    >>> free_port("127.0.0.1", None) >= PORT
    True
    """
    for port in [asked] if asked is not None else range(PORT, PORT + TRIED_PORTS):
        with closing(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((address, port))
            except PermissionError as error:
                raise UnnoiseError(f"Port {port} needs the rights of an administrator; choose one from 1024 on.") from error
            except OSError:
                continue
            return int(tried.getsockname()[1])
    told = f"Port {asked} of {address} is" if asked is not None else f"The ports {PORT} to {PORT + TRIED_PORTS - 1} are"
    raise UnnoiseError(f"{told} in use or cannot be bound; choose another with --port.")
