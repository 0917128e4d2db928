"""Tiles that other workers restore give the picture of one machine: they get all that a tile reads, and nothing more."""

from __future__ import annotations

from contextvars import Context
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from unnoise import images
from unnoise.batch.cluster.storage import Storage
from unnoise.batch.cluster.tiles import SpreadChain, TileWorker
from unnoise.batch.cluster.worker import Order
from unnoise.batch.one_file import denoise_file
from unnoise.batch.picture_task import PictureTask
from unnoise.inference.options import DenoiseOptions
from unnoise.inference.region_restorer import spreading
from unnoise.models import shipped


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_tiles_of_other_workers_make_the_same_picture(engine: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noisy = np.clip(draw.normal(120, 20, (150, 180, 3)), 0, 255).astype(np.uint8)
    images.write(tmp_path / "noisy.png", images.Picture(noisy))
    options = DenoiseOptions(tile=64)
    task = PictureTask(shipped.load("fast", engine), options)
    order = Order(task, Storage(tmp_path), Storage(tmp_path / "out"), "settings")
    workers = [TileWorker(order) for _ in range(2)]
    sent: list[int] = []

    def send(*work: object) -> object:
        sent.append(len(sent))  # a context of its own: in another process nothing would be sent on
        return Context().run(workers[len(sent) % 2].restore, *work)  # type: ignore[arg-type]

    denoise_file(task.model, tmp_path / "noisy.png", tmp_path / "alone.png", options=options)
    with spreading(partial(SpreadChain, send=send, get=lambda handle: handle, ahead=4)):  # type: ignore[arg-type]
        denoise_file(task.model, tmp_path / "noisy.png", tmp_path / "spread.png", options=options)
    assert len(sent) == 9
    assert np.array_equal(images.read(tmp_path / "alone.png").pixels, images.read(tmp_path / "spread.png").pixels)
