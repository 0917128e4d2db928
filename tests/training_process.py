"""One of the processes of a training, which tests start by `launch`: `training_process.py OUT STEPS RECIPE OVERRIDES`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from unnoise.training import loop
from unnoise.training.train import train


def pictures() -> list[np.ndarray]:
    """Three noisy pictures (H, W, 3), the same in each process."""
    draw = np.random.default_rng(0)
    return [draw.integers(60, 140, (64, 72, 3), dtype=np.uint8) for _ in range(3)]


def run(out: Path, steps: int, recipe: str, changes: dict[str, object], **options: object) -> list[float]:
    """Train, and give the loss of each step over the whole batch."""
    losses: list[float] = []
    one_step = loop.Run._one_step

    def noted(self: loop.Run, batch: torch.Tensor, rate: float) -> torch.Tensor:
        loss = one_step(self, batch, rate)
        losses.append(float(self.shards.mean(loss[None])))
        return loss

    loop.Run._one_step = noted
    try:
        train(
            pictures(),
            recipe,
            output=out,
            steps=steps,
            overrides=changes,
            start=None if options.get("resume") else "none",
            compare=False,
            device="cpu",
            precision="float32",
            **options,
        )
    finally:
        loop.Run._one_step = one_step
    return losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    out, steps, recipe, changes, options = sys.argv[1:]
    found = run(Path(out), int(steps), recipe, json.loads(changes), **json.loads(options))
    if os.environ.get("RANK", "0") == "0":
        (Path(out) / "losses.json").write_text(json.dumps(found))
