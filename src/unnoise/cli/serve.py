"""`unnoise serve`: the page in the browser, and the HTTP API."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from unnoise.cli import options

LIMITS = "Limits"


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: the first free one from 7860 on.")] = None,
    address: Annotated[str, typer.Option(help="Another one than this machine's own needs --password.")] = "127.0.0.1",
    password: Annotated[
        str | None,
        typer.Option(
            envvar="UNNOISE_PASSWORD", help="That browsers and programs must give; the user is unnoise.", show_default=False
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    device: options.DeviceOption = None,
    upload_mb: Annotated[int, typer.Option(min=1, help="Most megabytes of a file.", rich_help_panel=LIMITS)] = 500,
    megapixels: Annotated[int, typer.Option(min=1, help="Most megapixels of a picture.", rich_help_panel=LIMITS)] = 400,
    waiting: Annotated[int, typer.Option(min=1, help="Most pictures that wait at one time.", rich_help_panel=LIMITS)] = 200,
    keep_minutes: Annotated[
        int, typer.Option(min=1, help="Files that nobody used for so long are deleted.", rich_help_panel=LIMITS)
    ] = 60,
) -> None:
    """Denoise in the browser: drop pictures, compare before and after, download. Programs use the HTTP API under /api.

    Works offline. Only this machine reaches it, unless --address and --password are given.
    """
    from unnoise.registry import require
    from unnoise.web.limits import WebLimits
    from unnoise.web.server import build_server, check_address, free_port

    check_address(address, password)
    uvicorn = require("uvicorn", "unnoise serve")
    port = free_port(address, port)
    limits = WebLimits(upload_megabytes=upload_mb, megapixels=megapixels, waiting_jobs=waiting, keep_seconds=60 * keep_minutes)
    server = build_server(limits, address=address, password=password, device=device or "auto")
    shown = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    try:
        running = uvicorn.Server(
            uvicorn.Config(server.app, host=address, port=port, log_level="warning", timeout_graceful_shutdown=2)
        )
        logging.getLogger("uvicorn.error").addFilter(_is_no_end_of_a_page)
        typer.echo(f"unnoise runs at {shown}; the API is described at {shown}/api. Ctrl-C ends it.")
        if open_:
            import threading
            import webbrowser

            threading.Timer(1.0, webbrowser.open, [shown]).start()
        running.run()
    finally:
        server.close()


def _is_no_end_of_a_page(record: logging.LogRecord) -> bool:
    """Whether a log record is more than this: a page was open when the server ended."""
    import asyncio  # takes a fiftieth of a second, which other commands need not spend

    cancelled = record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not (cancelled or str(record.msg).startswith("Cancel "))
