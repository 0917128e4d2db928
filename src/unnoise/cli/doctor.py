"""`unnoise doctor`: what is installed, how fast it is, and what would make it faster."""

from __future__ import annotations

import json as library
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

TIMED_MODELS = ("fast", "default")


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
    speed: Annotated[bool, typer.Option("--speed/--no-speed", help="Time two models on a small picture.")] = True,
) -> None:
    """Tell what is installed here, on which device and in which precision models run, how fast, and what would help.

    Exits with 1 if pictures cannot be denoised.
    """
    from unnoise.diagnostics.hints import find_hints
    from unnoise.diagnostics.installation import find_installation

    installation = find_installation()
    devices, speeds, free_gb = _computed(speed, installation.has_torch) if installation.can_denoise else ([], [], None)
    hints = find_hints(installation, devices, speeds, free_gb)
    if json:
        found = {
            "installation": installation.model_dump(),
            "devices": [device.model_dump() for device in devices],
            "speeds": [each.model_dump() for each in speeds],
            "free_gb": free_gb,
            "hints": hints,
        }
        typer.echo(library.dumps(found, indent=2))
    else:
        _show(installation, devices, speeds, free_gb, hints)
    if not installation.can_denoise:
        raise typer.Exit(1)


def _computed(timed: bool, has_torch: bool) -> tuple[list[Any], list[Any], float]:
    """The devices that torch can use, the speeds of models, and the free memory in 10⁹ bytes."""
    from unnoise.diagnostics.speed import find_devices, measure_speed
    from unnoise.inference.memory import free_memory

    speeds = [measure_speed(model) for model in TIMED_MODELS] if timed else []
    return find_devices() if has_torch else [], speeds, free_memory("cpu") / 1e9


def _show(installation: Any, devices: list[Any], speeds: list[Any], free_gb: float | None, hints: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(_facts(installation, devices, free_gb))
    console.print(_extras(installation))
    for each in speeds:
        where = f"{each.device}, {each.precision}" + (f", {each.threads} threads" if each.device == "cpu" else "")
        console.print(Text(f"{each.model}: {each.seconds_per_megapixel:.2g} s for a megapixel ({where})"))
    for sentence in hints or ["Nothing that would make it faster was found."]:
        console.print(Text(f"• {sentence}"))


def _facts(installation: Any, devices: list[Any], free_gb: float | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    free = "" if free_gb is None else f", {free_gb:.0f} GB free"
    libraries = [f"{name} {found or 'missing'}" for name, found in installation.libraries.items()]
    rows = {
        "unnoise": f"{installation.unnoise}, Python {installation.python}",
        "system": installation.system,
        "processor": f"{installation.processor}, {installation.cores} of {installation.machine_cores} cores",
        "memory": f"{installation.memory_gb:.0f} GB{free}",
        "libraries": ", ".join(libraries),
    }
    for number, device in enumerate(devices):
        can = [name for name, has in (("bfloat16", device.bfloat16), ("int8", device.int8)) if has]
        used = " (used unless --device names another)" if not number else ""
        rows[f"device {device.name}"] = f"{device.label}, {' and '.join(can) or 'float32 alone'}{used}"
    for heading, text in rows.items():
        facts.add_row(Text(heading, style="bold"), Text(text))
    return facts


def _extras(installation: Any) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("extra", "", "to install it, in a copy of unnoise's source"):
        table.add_column(heading)
    for extra, missing in installation.extras.items():
        lacks = f"missing: {', '.join(missing)}" if missing else "installed"
        table.add_row(Text(extra), Text(lacks), Text(f"pip install '.[{extra}]'" if missing else ""))
    return table
