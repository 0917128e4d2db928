"""The table of all methods and sizes. Each row is written as soon as it is measured, and a stopped run continues."""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from functools import cache
from statistics import median
from typing import Any

import torch

from speed_machine import ceilings, work
from speed_methods import METHODS, adapter, needed_bytes, precision_of
from speed_plot import plot_roofline
from speed_worker import Here, Worker
from unnoise.errors import UsageError
from unnoise.files.atomic import atomic_write

SIZES = {"128": 128, "256": 256, "512": 512, "1mp": 1024, "12mp": 3456}
"""Sides of the square pictures; all divide by 32, as some published code demands."""
SHOWN = ("method", "size", "form", "seconds", "ratio", "target", "GMAC/s", "of ceiling", "peak MiB", "runs")
FIELDS = (*SHOWN, "MAC/byte")
Row = dict[str, Any]


class Book:
    """The rows of a run and the machine's ceilings, in `speed.csv` and `speed.json` in a folder.

    Attributes:
        rows: those measured so far, by this run or one before it with the same settings.
        limits: the ceilings at the start of the first such run.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.table, self.about = options.out / "speed.csv", options.out / "speed.json"
        settings = {name: str(getattr(options, name)) for name in ("device", "clock", "threads", "published", "precision")}
        options.out.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        if self.about.is_file() and not options.fresh:
            known = json.loads(self.about.read_text())
            if known["settings"] != settings:
                raise UsageError(f"{options.out} holds rows measured with {known['settings']}; give another --out, or --fresh.")
            self.limits: dict[str, float] = known["ceilings"]
            if self.table.is_file():
                with self.table.open(newline="", encoding="utf-8") as file:
                    self.rows = list(csv.DictReader(file))
        else:
            self.limits = ceilings(options.device, options.clock)
            with atomic_write(self.about) as temporary:
                temporary.write_text(json.dumps({"settings": settings, "ceilings": self.limits}, indent=1))
            self._write()

    def of(self, method: str, size: str) -> list[Row]:
        """The rows of one entry, none where it is still to be measured."""
        return [row for row in self.rows if (row["method"], row["size"]) == (method, size)]

    def add(self, rows: list[Row]) -> None:
        self.rows += rows
        self._write()

    def _write(self) -> None:
        with atomic_write(self.table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(self.rows)


def table(options: argparse.Namespace) -> None:
    """All methods and sizes: a table, a CSV file and a plot."""
    if options.published:
        adapter(options.published)  # a wrong folder is told at once
    book = Book(options)
    print("ceilings: " + ", ".join(f"{name} {value / 1e9:.0f} G/s" for name, value in book.limits.items()), flush=True)
    print("  ".join(f"{name:>10}" for name in SHOWN), flush=True)
    for size in options.sizes:
        for method in options.methods:
            if not book.of(method, size):
                book.add(_entry(method, size, options, book))
            for row in book.of(method, size):
                print("  ".join(f"{row[name]:>10}" for name in SHOWN), flush=True)
    again = ceilings(options.device, options.clock)
    print("ceilings at the end: " + ", ".join(f"{name} {value / 1e9:.0f} G/s" for name, value in again.items()))
    plot_roofline(book.rows, book.limits, options.out / "speed.png")


def _entry(method: str, size: str, options: argparse.Namespace, book: Book) -> list[Row]:
    """The forms of one method on one size, taking turns, for `options.budget` seconds on the wall at most."""
    side = SIZES[size]
    forms = ["plain", "fast"] + (["published"] if options.published else [])
    likely = {form: _guess(method, form, side**2, book, "seconds") for form in forms}
    on_gpu = options.device.startswith("cuda")
    memory = (
        torch.cuda.get_device_properties(options.device).total_memory
        if on_gpu
        else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    needed = {
        form: max(needed_bytes(method, form, side**2), _guess(method, form, side**2, book, "peak MiB") * 2**20)
        for form in forms
    }
    for form in [form for form in forms if form != "fast" and needed[form] > 0.8 * memory]:  # fast works in tiles
        print(f"{method}, {size}: {form} would take about {needed[form] / 1e9:.0f} GB of memory, and is left out", flush=True)
        forms.remove(form)
    forms = [form for form in forms if likely[form] < options.patience]
    workers = {form: (Here if on_gpu else Worker)(method, form, side, options) for form in forms}
    times: dict[str, list[float]] = {form: [] for form in forms}
    until = time.monotonic() + options.budget
    for turn in range(options.repeats + 1):
        for form, worker in workers.items():
            slow = turn and (sum(times[form]) + likely[form] > options.patience or len(times[form]) < turn)
            taken = None if slow or time.monotonic() > until else worker.measure(until)
            if taken is not None:
                likely[form] = taken
                times[form].append(taken)
    peaks = {form: worker.close() for form, worker in workers.items()}
    # The first run warms up, unless it is so long that it was the only one.
    middle = {form: median(runs[1:] or runs) for form, runs in times.items() if runs}
    if len(middle) < len(forms):
        print(f"{method}, {size}: {', '.join(form for form in forms if form not in middle)} ended without a time", flush=True)
    macs, values = (each * side**2 for each in _counted(method))
    rows = []
    for form, value in middle.items():
        kind = precision_of(method, options.device, options.precision) if form == "fast" else torch.float32
        name, moved = str(kind).removeprefix("torch."), values * kind.itemsize
        most = max(limit for of, limit in book.limits.items() if of.endswith(name))
        roof = min(most, book.limits["copy"] * macs / moved)
        ratio = middle["plain"] / value if form != "plain" and "plain" in middle else None
        rows.append(dict(zip(FIELDS, (
            method, size, form, f"{value:.4g}", f"{ratio:.2f}" if ratio else "",
            METHODS[method].target or "" if form == "fast" else "", f"{macs / value / 1e9:.0f}", f"{macs / value / roof:.2f}",
            f"{peaks[form] / 2**20:.0f}", max(1, len(times[form]) - 1), f"{macs / moved:.1f}",
        ), strict=True)))  # fmt: skip
    return rows


def _guess(method: str, form: str, pixels: int, book: Book, field: str) -> float:
    """What a run will take of `field`, by the largest of the smaller sizes; 0 where nothing is known."""
    known = [
        (SIZES[row["size"]] ** 2, float(row[field])) for row in book.rows if (row["method"], row["form"]) == (method, form)
    ]
    smaller = [pair for pair in known if pair[0] < pixels]
    return max(smaller)[1] * pixels / max(smaller)[0] if smaller else 0.0


@cache
def _counted(method: str) -> tuple[float, float]:
    """Multiplications and values moved for each pixel."""
    network, scheme, refinement = METHODS[method].build()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    first = work(lambda noisy: scheme.restore(network, noisy))
    again = work(lambda noisy: scheme.refine(network, noisy)) if refinement else (0.0, 0.0)
    draws = refinement.draws if refinement else 0
    return first[0] + draws * again[0], first[1] + draws * again[1]
