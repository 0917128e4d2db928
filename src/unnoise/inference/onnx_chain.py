"""Restoring one region of a picture by onnxruntime or OpenVINO, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.inference.graph_network import GraphNetwork
from unnoise.inference.halo import UNBOUNDED_HALO_PIXELS
from unnoise.inference.settings import InferenceSettings
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.schemes.self_ensemble import self_ensemble_region

SCRATCH_FACTOR = 1.3
"""Real memory divided by that of the maps."""


@dataclass(frozen=True)
class OnnxChain:
    """A graph and how it is applied: what `Chain` is for networks that torch runs. See `region_restorer`.

    Raises:
        UsageError: the settings ask for what needs torch.

    >>> from unnoise.models import shipped
    >>> chain = OnnxChain(shipped.load("fast", "onnx").network, InferenceSettings())
    >>> chain.restore(RegionSource.of(np.zeros((1, 3, 40, 50), np.float32)), (slice(0, 8), slice(0, 50))).shape
    (1, 3, 8, 50)
    """

    network: GraphNetwork
    settings: InferenceSettings

    def __post_init__(self) -> None:
        if self.settings.refinement is not None:
            raise UsageError("The refinement R³ needs PyTorch; add --no-refine, or install PyTorch and give --engine torch.")
        self.network.in_precision(self.settings.precision)

    @property
    def device(self) -> str:
        return "cpu"  # of the results

    @property
    def channels(self) -> int:
        return self.network.channels

    @property
    def step(self) -> int:
        return self.network.step

    @property
    def size_multiple(self) -> int:
        return self.network.step

    @property
    def is_finite(self) -> bool:
        return self.network.halo is not None

    @property
    def halo(self) -> int:
        return UNBOUNDED_HALO_PIXELS if self.network.halo is None else self.network.halo

    halo_relative_cost = 1.0

    def restore(self, view: Any, part: Region) -> Any:
        """Restore a region, (1, C, rows, columns) float32; see `Chain.restore`."""

        def read(rows: slice, columns: slice) -> Any:
            piece = view.read(rows, columns).astype(np.float32, copy=False)
            return view.scale.forward(piece) if view.scale else piece

        scaled = RegionSource(view.size, read)
        restored = (
            self_ensemble_region(lambda source, region, _: self._restore(source, region), scaled, part)
            if self.settings.ensemble
            else self._restore(scaled, part)
        )
        return view.scale.inverse(restored, view.read(*part).astype(np.float32, copy=False)) if view.scale else restored

    def _restore(self, view: Any, part: Region) -> Any:
        around = dilate(part, self.halo, view.size, self.step)
        run = self.network.in_precision(self.settings.precision)
        return run(view.read(*around))[..., *relative_to(part, around)]

    def bytes_for(self, wanted: int, read: int, *, whole: bool) -> float:
        """Estimate the bytes that restoring a region takes, of which `read` pixels are read."""
        return SCRATCH_FACTOR * self.network.bytes_per_pixel * read

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with self.network.at_work():
            yield

    @contextmanager
    def in_one_band(self) -> Iterator[None]:
        yield

    def release_memory(self) -> None:
        """Give back what is kept between tiles."""
        self.network.release_memory()
