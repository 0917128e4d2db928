"""A network that onnxruntime runs, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.inference.graph_network import GraphNetwork, Run, first_line
from unnoise.inference.graph_weights import WEIGHT_PREFIX
from unnoise.photometry.array_threads import thread_count
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


class OnnxNetwork(GraphNetwork):
    """An ONNX graph with its weights, in float32 and values of 0..1: (1, C, H, W) → (1, C, H, W).

    Args: see `GraphNetwork`. `device` is one of `PROVIDERS`.

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

    engine = "onnx"
    runtime = "onnxruntime"

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
            self._session = runtime.InferenceSession(self._content(), settings, providers=[_provider(self.device, runtime)])
            self.facts = self._session.get_modelmeta().custom_metadata_map  # of what is no text, it raises UnicodeDecodeError
        except UsageError:
            raise
        except Exception as error:  # onnxruntime raises errors of many kinds
            raise UnnoiseError(f"{self.origin} cannot be run by onnxruntime: {first_line(error)}") from error
        self._once = runtime.RunOptions()
        if self.device == "cpu":  # the arena spares each layer fresh memory; what a tile took goes back after it
            self._once.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._input = self._session.get_inputs()[0].name

    def in_precision(self, name: str | None) -> Run:
        """The network as it is; see `GraphNetwork.in_precision`."""
        self.chosen_precision(name)
        return self._run

    def _run(self, noisy: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            restored: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(noisy)}, self._once)[0]
        except Exception as error:
            if any(word in str(error).lower() for word in ("alloc", "out of memory")):
                raise MemoryError(first_line(error)) from error
            raise UnnoiseError(f"{self.origin} cannot be run by onnxruntime: {first_line(error)}") from error
        self._check_shape(restored, noisy)
        return restored


def _provider(device: str, runtime: Any) -> str:
    kind = device.partition(":")[0].lower()
    there = [name for name, provider in PROVIDERS.items() if provider in runtime.get_available_providers()]
    if kind not in there:
        raise UsageError(
            f"The device '{device}' cannot be used by this onnxruntime; choose one of {', '.join(there)}, or leave it out."
        )
    return PROVIDERS[kind]
