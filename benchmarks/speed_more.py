"""The modes `holes` and `start` of `speed.py`: many blind spots at once, and the time to the first result."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from speed_machine import seconds
from speed_methods import METHODS
from unnoise import images
from unnoise.denoisers.tunable_network import TunableNetwork, has_tunable_blind_spot
from unnoise.inference.precision import choose_precision
from unnoise.layers.weight_cache import cached_weights

HOLES = {"at-bsn": [0, 1, 3, 5, 7, 9, 11], "tm-bsn": [0, 1, 2, 3, 4, 5, 6]}


def holes(options: argparse.Namespace) -> None:
    """Seven blind spots at once against seven calls, both as fast as we can, and seven calls of the plain form."""
    print("method  one call  seven calls  seven at once  plain, seven calls  at once against calls, against plain")
    for method in options.methods:
        if method not in HOLES:
            continue
        sizes = HOLES[method]
        network = _tunable(method, options.device)
        plain = _tunable(method, options.device)
        for parameter in plain.parameters():
            parameter.requires_grad_(False)
        x = torch.rand(1, 3, 256, 256, device=options.device) * network.value_range[1]
        fast = x.contiguous(memory_format=torch.channels_last)
        precision = choose_precision(None, torch.device(options.device))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        def quick(
            sizes: list[int], network: TunableNetwork = network, x: torch.Tensor = fast, kind: torch.dtype = precision
        ) -> None:
            with torch.inference_mode(), torch.autocast(options.device, kind, enabled=kind != torch.float32), cached_weights():
                network.forward_blind_spots(x, sizes)

        forms = {
            "one": lambda quick=quick: quick([3]),
            "calls": lambda quick=quick, sizes=sizes: [quick([size]) for size in sizes],
            "at once": lambda quick=quick, sizes=sizes: quick(sizes),
            "plain": lambda plain=plain, x=x, sizes=sizes: [plain(x, blind_spot=size) for size in sizes],
        }
        times: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(options.repeats + 1):
            for name, form in forms.items():
                times[name].append(seconds(form, options.device, options.clock))
        one, calls, together, slow = (median(each[1:]) for each in times.values())
        print(
            f"{method}  {one:.3f}  {calls:.3f}  {together:.3f}  {slow:.3f}  {calls / together:.2f}  {slow / together:.2f}",
            flush=True,
        )


def _tunable(method: str, device: str) -> TunableNetwork:
    network = METHODS[method].build()[0].to(device)
    assert has_tunable_blind_spot(network)
    return network


def start(options: argparse.Namespace) -> None:
    """`unnoise denoise` of a photo of one megapixel with the default model, from nothing, everything included."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        values = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
        images.write(photo, images.Picture(values))
        command = [sys.executable, "-c", "from unnoise.cli import main; main()", "denoise", str(photo), "--overwrite"]
        runs = []
        for _ in range(options.repeats):
            before = time.perf_counter()
            used = _children()
            subprocess.run(command, check=True, capture_output=True)
            runs.append((time.perf_counter() - before, _children() - used))
    print("seconds on the wall: " + ", ".join(f"{wall:.2f}" for wall, _ in runs))
    print("seconds of processor time: " + ", ".join(f"{cpu:.2f}" for _, cpu in runs))


def _children() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
