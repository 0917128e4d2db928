"""A network that onnxruntime runs, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.registry import require

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Name of a device → onnxruntime's execution provider for it."""
WEIGHT_PREFIX = "core_network."
"""Graphs have this before the names of weights."""


class OnnxNetwork:
    """An ONNX graph with its weights, in float32 and values of 0..1: (1, C, H, W) → (1, C, H, W).

    Args:
        graph: the file, or its bytes.
        weights: the weights of a graph that has none itself, by their names in the network; None: it has its own.
        device: one of `PROVIDERS`; None or 'auto': the CPU.
        origin: the file, for errors.

    Raises:
        UsageError: the device is unknown, or this onnxruntime does not support it.
        UnnoiseError: onnxruntime is missing, or cannot read the graph.

    >>> import tempfile
    >>> import onnx.parser
    >>> graph = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["" : 18], metadata_props: ["sizes": "{}"]>
    ...     half (float[1, 3, H, W] noisy) => (float[1, 3, H, W] restored) { restored = Add(noisy, noisy) }''')
    >>> OnnxNetwork(graph.SerializeToString())(np.ones((1, 3, 2, 2), np.float32))[0, 0, 0].tolist()
    [2.0, 2.0]
    """

    library = "numpy"
    value_range = (0.0, 1.0)

    def __init__(
        self,
        graph: Path | bytes,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        device: str | None = None,
        origin: str = "The graph",
    ) -> None:
        self._graph, self._weights, self.origin = graph, dict(weights or {}), origin
        self._open(device)

    def _open(self, device: str | None) -> None:
        runtime: Any = require("onnxruntime", "Running a network without PyTorch")
        self.device = "cpu" if device in (None, "auto") else str(device)
        settings = runtime.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = thread_count()
        # onnxruntime reads these arrays where they lie, so they live as long as the session
        self._held = {
            WEIGHT_PREFIX + name: runtime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value, dtype=np.float32))
            for name, value in self._weights.items()
        }
        if self._held:
            settings.add_external_initializers(list(self._held), list(self._held.values()))
        try:
            content = self._graph if isinstance(self._graph, bytes) else self._graph.read_bytes()
            self._session = runtime.InferenceSession(content, settings, providers=[_provider(self.device, runtime)])
        except UsageError:
            raise
        except Exception as error:  # onnxruntime raises errors of many kinds
            raise UnnoiseError(f"{self.origin} cannot be run by onnxruntime: {_first_line(error)}") from error
        self._once = runtime.RunOptions()
        if self.device == "cpu":  # the arena spares each layer fresh memory; what a tile took goes back after it
            self._once.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._input = self._session.get_inputs()[0].name
        self.sizes: dict[str, Any] = json.loads(self.facts.get("sizes", "{}"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Sessions cannot be sent to other processes, so a copy opens its own."""
        return OnnxNetwork, (self._graph, self._weights, self.device, self.origin)

    def __call__(self, noisy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Restore one picture. Raises `MemoryError` if memory does not suffice."""
        try:
            restored: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(noisy)}, self._once)[0]
        except Exception as error:
            if any(word in str(error).lower() for word in ("alloc", "out of memory")):
                raise MemoryError(_first_line(error)) from error
            raise UnnoiseError(f"{self.origin} cannot be run by onnxruntime: {_first_line(error)}") from error
        return restored

    def to(self, device: str) -> OnnxNetwork:
        """Move to a device, and return the network itself."""
        if device not in ("auto", self.device):
            self._open(device)
        return self

    @property
    def channels(self) -> int:
        """C."""
        return int(self.sizes.get("channels", 3))

    @property
    def denoiser(self) -> str:
        """The registered name of the network."""
        return self.facts.get("denoiser", "")

    @property
    def step(self) -> int:
        """Tiles must begin at multiples of this many pixels."""
        return int(self.facts.get("size_multiple") or 1)

    @property
    def halo(self) -> int | None:
        """How far in pixels a restored pixel sees; None: as far as the picture goes."""
        known = self.facts.get("halo")
        return int(known) if known else None

    @property
    def bytes_per_pixel(self) -> float:
        """Bytes that onnxruntime takes for each pixel of a tile."""
        return float(self.facts.get("bytes_per_pixel") or 2000)

    def parameter_count(self) -> int:
        """Number of weights that the graph gets; 0 if they are in its file."""
        return sum(value.size for value in self._weights.values())

    def state(self) -> Mapping[str, NDArray[np.float32]]:
        """All that the results depend on, as arrays by name."""
        if self._weights:
            return self._weights
        content = self._graph if isinstance(self._graph, bytes) else self._graph.read_bytes()
        return {"graph": np.frombuffer(content, np.uint8).astype(np.float32)}


def thread_count() -> int:
    """How many threads onnxruntime gets: as OMP_NUM_THREADS says, else one for each core that the process may use.

    >>> thread_count() >= 1
    True
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores


def _provider(device: str, runtime: Any) -> str:
    kind = device.partition(":")[0].lower()
    there = [name for name, provider in PROVIDERS.items() if provider in runtime.get_available_providers()]
    if kind not in there:
        raise UsageError(
            f"The device '{device}' cannot be used by this onnxruntime; choose one of {', '.join(there)}, or leave it out."
        )
    return PROVIDERS[kind]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
