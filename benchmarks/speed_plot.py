"""The roofline: multiplications a second of each method, over its multiplications for each byte that it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

COLOURS = {"plain": "tab:gray", "fast": "tab:blue", "published": "tab:orange"}


def plot_roofline(rows: list[dict[str, Any]], limits: dict[str, float], path: Path) -> None:
    """Draw the rows of the table, and the roofs of the machine, into a PNG."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    panel = figure.subplots()
    reach = np.geomspace(1, 3000, 200)
    for name, style in (("float32", "--"), ("bfloat16", "-"), ("int8", ":")):
        roof = max((limit for of, limit in limits.items() if of.endswith(name)), default=None)
        if roof is None:
            continue
        panel.plot(reach, np.minimum(roof, limits["copy"] * reach) / 1e9, style, color="black", lw=1, label=f"roof in {name}")
    for form, colour in COLOURS.items():
        mine = [row for row in rows if row["form"] == form]
        if not mine:
            continue
        panel.scatter(
            [float(row["MAC/byte"]) for row in mine], [float(row["GMAC/s"]) for row in mine], s=18, color=colour, label=form
        )
    for row in rows:
        if row["form"] == "fast" and row["size"] == rows[0]["size"]:
            place = float(row["MAC/byte"]), float(row["GMAC/s"])
            panel.annotate(row["method"], place, fontsize=7, xytext=(3, 3), textcoords="offset points")
    panel.set(
        xscale="log", yscale="log", xlabel="multiplications with addition for each byte", ylabel="billions of them a second"
    )
    panel.legend()
    figure.savefig(path, dpi=120)
