"""What SS-BSN's attention costs, and how far its linear form is from the exact form.

    python benchmarks/attention.py cost                     # Fig. 8 of the paper: γ = 1, 2, 4 and m = 0, 1, 3, 9
    python benchmarks/attention.py error runs/ss-bsn/model.safetensors --data sidd-val:DIR --limit 24

`error` needs a *trained* network, because random features are less alike than trained ones. On a busy machine, `--clock
cpu` counts processor time and not time on the wall.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import unnoise
from rows import keep, tell
from speed_machine import seconds
from unnoise import denoisers
from unnoise.denoisers.ssattention import SSBlock
from unnoise.evaluation.datasets import open_set
from unnoise.evaluation.protocols import lookup as protocol
from unnoise.images import to_tensor
from unnoise.images.pixels import to_unit_float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    cost = commands.add_parser("cost", help="time and parameters for each γ and m")
    cost.add_argument("--features", type=int, default=128)
    cost.add_argument("--modules", type=int, default=9, help="modules in each branch, and the largest m")
    cost.add_argument("--side", type=int, default=256, help="side of the input in pixels")
    cost.add_argument("--repeats", type=int, default=3)
    cost.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    error = commands.add_parser("error", help="the linear against the exact form on a trained network")
    error.add_argument("model")
    error.add_argument("--data", required=True, metavar="SET:DIR")
    error.add_argument("--limit", type=int, default=24)
    for command in (cost, error):
        command.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    keep(costs(options) if options.command == "cost" else errors(options.model, options.data, options.limit), options.out)


def costs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each γ and m: the network alone, float32, one picture, the forms in turn."""
    rows = []
    side = options.side
    x = torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last) * 255
    for attentive in (m for m in (0, 1, 3, 9) if m <= options.modules):
        for gamma in (1, 2, 4) if attentive else (1,):  # without attention γ is of no effect
            network = denoisers.create(
                "ssbsn", features=options.features, modules=options.modules, attention_modules=attentive, gamma=gamma
            )
            network.eval().to(memory_format=torch.channels_last)
            calls = [_caller(network, form, x) for form in ("exact", "linear")]
            times = _alternating(calls if attentive else calls[:1], options.repeats, options.clock)
            row = {
                "gamma": gamma if attentive else "any",
                "modules": options.modules,
                "attention_modules": attentive,
                "parameters": network.parameter_count(),
                "tokens": (-(-side // (2 * gamma))) ** 2 if attentive else 0,  # of one component of the branch with d = 2
                "exact_seconds": f"{times[0]:.2f}",
                "linear_seconds": f"{times[-1]:.2f}",
                "ratio": f"{times[0] / times[-1]:.2f}",
            }
            rows.append(row)
            tell(row, head=len(rows) == 1)
    return rows


def _caller(network: torch.nn.Module, form: str, x: torch.Tensor) -> Callable[[], None]:
    def call() -> None:
        _set_form(network, form)
        with torch.inference_mode():
            network(x)

    return call


def _alternating(calls: Sequence[Callable[[], None]], repeats: int, clock: str) -> list[float]:
    """Median seconds of each call, the calls taking turns, so that what else the machine does meets all of them.

    The first turn warms up and does not count.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats + 1):
        for call, taken in zip(calls, times, strict=True):
            taken.append(seconds(call, "cpu", clock))
    return [statistics.median(taken[1:]) for taken in times]


def _set_form(network: torch.nn.Module, form: str) -> None:
    for module in network.modules():
        if isinstance(module, SSBlock):
            module.attention = form  # type: ignore[assignment]


def errors(name: str, data: str, limit: int) -> list[dict[str, Any]]:
    """One row for each picture: what the linear form changes in the restored picture, in steps of 8 bits, and in its
        score.

    `attention_error` is that of SS-Attention alone, ‖linear − exact‖ / ‖exact‖, in the block where it is largest.
    """
    model = unnoise.load(name)
    if not any(isinstance(module, SSBlock) for module in model.network.modules()):
        raise SystemExit(f"{name} has no attention; give a model trained by ss-bsn.")
    scoring = protocol("default")
    rows = []
    for pair in open_set(data).spread(limit):
        noisy, clean = to_unit_float(pair.noisy), to_tensor(pair.clean)[0]
        restored, worst = {}, 0.0
        for form in ("exact", "linear"):
            _set_form(model.network, form)
            with _attention_errors(model.network, measured=form == "exact") as found:
                restored[form] = model.denoise(noisy, refine=False, precision="float32")
            worst = max(found, default=worst)
        change = 255 * np.abs(restored["linear"] - restored["exact"])
        removed = 255 * np.abs(restored["exact"] - noisy).mean()
        row = {
            "image": pair.name,
            **{f"{form}_psnr": f"{scoring.score(to_tensor(restored[form])[0], clean)[0].psnr:.4f}" for form in restored},
            "difference_mean": f"{change.mean():.2e}",
            "difference_max": f"{change.max():.2e}",
            "relative_mean": f"{change.mean() / removed:.2e}",  # to what is removed from the noisy picture
            "attention_error": f"{worst:.2e}",
        }
        rows.append(row)
        tell(row, head=len(rows) == 1)
    return rows


@contextmanager
def _attention_errors(network: torch.nn.Module, measured: bool) -> Iterator[list[float]]:
    """While it lasts, each call of each SS-Block adds ‖linear − exact‖ / ‖exact‖ of its attention to the list."""
    found: list[float] = []

    def compare(block: SSBlock, inputs: tuple[torch.Tensor, ...]) -> None:
        results = []
        for form in ("linear", "exact"):
            _set_form(block, form)
            results.append(block.attend(inputs[0]))
        linear, exact = results
        found.append(float((linear - exact).norm() / exact.norm()))

    blocks = [module for module in network.modules() if isinstance(module, SSBlock)] if measured else []
    hooks = [block.register_forward_pre_hook(compare) for block in blocks]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


if __name__ == "__main__":
    main()
