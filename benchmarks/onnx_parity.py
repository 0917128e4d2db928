"""How far exported ONNX files are from PyTorch, and how long onnxruntime takes beside it.

    python benchmarks/onnx_parity.py fast default --sizes 1x1 37x501 512x512

The model's scheme alone runs in both, in float32 and on one core. A scheme that cannot be exported is left out of both.
Times are processor times, the least of three, and alternate.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import unnoise
from unnoise.errors import UsageError
from unnoise.export import parity
from unnoise.export.onnx_file import OnnxPrecision, export

PRECISIONS: tuple[OnnxPrecision, ...] = ("float32", "float16", "int8")
REPEATS = 3


def main() -> None:
    """One row for each model, precision and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files")
    parser.add_argument("--sizes", nargs="+", default=["1x1", "37x501", "512x512"], metavar="HxW")
    parser.add_argument("--precisions", nargs="+", default=["float32"], choices=PRECISIONS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| model | form | precision | MB | size | largest difference | PyTorch s | onnxruntime s |\n|---|---|---|---|---|---|---|---|"
    )
    for name in options.models:
        for precision in options.precisions:
            rows(name, precision, [_size(text) for text in options.sizes])


def rows(name: str, precision: OnnxPrecision, sizes: list[tuple[int, int]]) -> None:
    """Export one model, and print a row for each size."""
    model = unnoise.load(name)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        whole = True
        try:
            export(model, target, precision=precision)
        except UsageError:
            whole = False
            export(model, target, network_only=True, precision=precision)
        megabytes = target.stat().st_size / 1e6
        run = parity.session(str(target), threads=1)
    reference = model if whole else model.network
    values = (0.0, 1.0) if whole else model.network.value_range
    channels = model.network.sizes.get("channels", 3)
    for size in sizes:
        (difference,) = parity.largest_difference(run, reference, channels, values, [size]).values()
        noisy = torch.rand(1, channels, *size) * (values[1] - values[0]) + values[0]
        times = alternating([lambda x=noisy: reference(x), lambda x=noisy: run(x.numpy())])  # type: ignore[misc]
        form = "whole" if whole else "network only"
        shown = " | ".join(f"{seconds:.3f}" for seconds in times)
        print(
            f"| {name} | {form} | {precision} | {megabytes:.2f} | {size[0]}×{size[1]} | {difference:.1e} | {shown} |",
            flush=True,
        )


def alternating(calls: list[Callable[[], object]]) -> list[float]:
    """The least processor time of each call in seconds, of three that take turns; the first turn warms up."""
    least = [float("inf")] * len(calls)
    with torch.inference_mode():
        for turn in range(REPEATS + 1):
            for place, call in enumerate(calls):
                start = time.process_time()
                call()
                if turn:
                    least[place] = min(least[place], time.process_time() - start)
    return least


def _size(text: str) -> tuple[int, int]:
    height, width = text.lower().split("x")
    return int(height), int(width)


if __name__ == "__main__":
    main()
