"""One of the processes of a training, which tests start by `launch`: `training_process.py OUT STEPS RECIPE OVERRIDES`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from unnoise.training import loop
from unnoise.training.launch import LOST_STATUS
from unnoise.training.shards import LostProcessError
from unnoise.training.train import train


def pictures() -> list[np.ndarray]:
    """Three noisy pictures (H, W, 3), the same in each process."""
    draw = np.random.default_rng(0)
    return [draw.integers(60, 140, (64, 72, 3), dtype=np.uint8) for _ in range(3)]


def run(
    out: Path, steps: int, recipe: str, changes: dict[str, object], dies_at: int | None = None, **options: object
) -> list[float]:
    """Train, and give the loss of each step over the whole batch. The second process dies at a step."""
    losses: list[float] = []
    one_step = loop.Run._one_step

    def noted(self: loop.Run, batch: torch.Tensor, rate: float) -> torch.Tensor:
        if self.step == dies_at and self.shards.process == 1:
            os.kill(os.getpid(), signal.SIGKILL)
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
    try:
        found = run(Path(out), int(steps), recipe, json.loads(changes), **json.loads(options))
    except LostProcessError:  # as `unnoise train` does
        sys.exit(LOST_STATUS)
    if os.environ.get("RANK", "0") == "0":
        (Path(out) / "losses.json").write_text(json.dumps(found))
