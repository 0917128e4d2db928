"""Tiny pictures and networks, so that an ablation takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unnoise import images
from unnoise.evaluation.ablations import small_networks as small

TINY: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 8, "modules": 2},
    "dbsn-dense": {"features": 8, "modules": 2},
    "restormer": {"dim": 4, "blocks": [1, 1, 1, 1], "refinement_blocks": 1, "heads": [1, 2, 2, 4]},
    "deamnet": {"features": 16},
    "nafnet-baseline": {"width": 4, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "unet": {"features": 4},
    "dncnn": {"features": 4, "layers": 3},
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of a few thousand parameters and batches of a few pixels."""
    monkeypatch.setattr(small, "SMALL_SIZES", TINY)
    monkeypatch.setattr(small, "SMALL_DENOISER", "dncnn")
    monkeypatch.setattr(small, "SMALL_TRAINING", small.SMALL_TRAINING | {"crop": 40, "batch": 2})
    monkeypatch.setattr(small, "NETWORK_TRAINING", {name: {"initialization": "he"} for name in ("dbsn", "dbsn-dense", "unet")})


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten smooth scenes of 64×64, each in `noisy/` and `clean/`; the noise is white, of 20 % of the range."""
    folder = tmp_path_factory.mktemp("scenes")
    rows, columns = np.mgrid[:64, :64] / 64
    for seed in range(10):
        draw = np.random.default_rng(seed)
        waves = [draw.uniform(-1, 1) * rows + draw.uniform(-1, 1) * columns + draw.random() for _ in range(3)]
        clean = 0.5 + 0.3 * np.sin(2 * np.pi * np.stack(waves, axis=-1))
        noisy = clean + draw.normal(0, 0.2, clean.shape)
        for kind, values in {"clean": clean, "noisy": noisy}.items():
            pixels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
            (folder / kind).mkdir(exist_ok=True)
            images.write(folder / kind / f"{seed}.png", images.Picture(pixels))
    return folder
