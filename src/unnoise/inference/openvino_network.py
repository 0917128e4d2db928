"""A network that OpenVINO runs: in bytes or bfloat16 where the processor multiplies them, as recent ones of Intel and AMD do."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.memory import free_bytes
from unnoise.inference.byte_weights import byte_constants, from_json
from unnoise.inference.graph_network import GraphNetwork, Run, first_line
from unnoise.inference.graph_weights import WEIGHT_PREFIX, metadata_of, with_weights
from unnoise.photometry.array_threads import thread_count
from unnoise.registry import require

TYPES = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}
"""Precision → OpenVINO's name for it, and that of the capability of a device."""

CPU_FACTS = Path("/proc/cpuinfo")
VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})
LEAST_FEATURES_OF_BYTES = 32
"""Narrower networks, such as `fast`, lose 0.1 dB on photographs in int8, and gain little time. So *auto* does not take it."""


KEPT_BYTES = 640 * 2**20
"""So much memory of maps stays for the next picture. Fresh memory takes a fifth of the network's time."""
FREE_BYTES_TO_KEEP = 2**32
"""Where less is free, all of it goes back after each picture."""


class OpenvinoNetwork(GraphNetwork):
    """An ONNX graph with its weights, run by OpenVINO, for values of 0..1: (1, C, H, W) → (1, C, H, W).

    Args: see `GraphNetwork`. `device` is 'cpu', or another that OpenVINO has here, as 'gpu'.

    Raises:
        UsageError: OpenVINO does not have the device.
        UnnoiseError: OpenVINO is missing, or cannot read the graph.

    >>> import onnx.parser
    >>> graph = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["" : 18], metadata_props: ["sizes": "{}"]>
    ...     half (float[1, 3, H, W] noisy) => (float[1, 3, H, W] restored) { restored = Add(noisy, noisy) }''')
    >>> OpenvinoNetwork(graph.SerializeToString())(np.ones((1, 3, 2, 2), np.float32))[0, 0, 0].tolist()
    [2.0, 2.0]
    """

    engine = "openvino"
    runtime = "OpenVINO"

    def _open(self, device: str | None) -> None:
        self._core = _core()
        self.device = "cpu" if device in (None, "auto") else str(device)
        self._place = _place(self.device, self._core.available_devices)
        content = self._content()
        self.facts = metadata_of(content)
        self._model = None if self._in_bytes else self._read(content)  # what has a graph of bytes seldom needs the other
        self._compiled: dict[str, Any] = {}
        self._begun: dict[str, _Compiling] = {}
        self._idle: dict[str, list[Any]] = {}
        self._users, self._largest, self._pictures, self._lock = 0, 0, 0, threading.Lock()

    def _read(self, content: bytes) -> Any:
        named = {WEIGHT_PREFIX + name: value for name, value in self._weights.items()}
        try:
            return self._core.read_model(with_weights(content, named))
        except UnnoiseError:
            raise
        except Exception as error:  # OpenVINO raises errors of many kinds
            raise self._refused(error) from error

    def chosen_precision(self, name: str | None) -> str:
        """*auto* is the first of int8, bfloat16 and float32 that the device multiplies; see `GraphNetwork.chosen_precision`.

        int8 wants a network that has a graph of bytes. *auto* takes it for wide ones alone.
        """
        known = self._known_types()
        if self._in_bytes is not None and self._place == "CPU" and multiplies_bytes(known):
            known = [*known, "int8"]
        if name in (None, "auto"):
            wide = int(self.sizes.get("width", 0)) >= LEAST_FEATURES_OF_BYTES
            name = next(each for each in ("int8", "bfloat16", "float32") if each in known and (wide or each != "int8"))
        if name not in known:
            raise self._refuse_precision(str(name), " and ".join(known))
        return str(name)

    def _faster_type(self) -> str:
        return "bfloat16" if "bfloat16" in self._known_types() else "float32"

    def _known_types(self) -> list[str]:
        capabilities = self._core.get_property(self._place, "OPTIMIZATION_CAPABILITIES")
        return [each for each, (_, capability) in TYPES.items() if capability in capabilities]

    def begin(self, precision: str | None) -> None:
        """See `GraphNetwork.begin`."""
        name = self.chosen_precision(precision)
        thread = _Compiling(partial(self._compile, name))
        with suppress(RuntimeError):  # there is no room for a thread
            thread.start()
            self._begun[name] = thread

    def in_precision(self, name: str | None) -> Run:
        """The network compiled for a precision; see `GraphNetwork.in_precision`."""
        name = self.chosen_precision(name)
        if name in self._begun:
            thread = self._begun.pop(name)
            thread.join()
            if thread.compiled is not None:
                self._compiled[name] = thread.compiled
        if name not in self._compiled:
            self._compiled[name] = self._compile(name)
        return partial(self._run, name)

    def _compile(self, name: str) -> Any:
        try:
            if name == "int8":
                return self._core.compile_model(self._read_bytes(), self._place, _settings(self._place, self._faster_type()))
            if self._model is None:
                self._model = self._read(self._content())
            return self._core.compile_model(self._model, self._place, _settings(self._place, name))
        except UnnoiseError:
            raise
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> UnnoiseError:
        return UnnoiseError(f"{self.origin} cannot be run by OpenVINO: {first_line(error)}")

    def _read_bytes(self) -> Any:
        assert self._in_bytes is not None
        content = self._in_bytes.graph.read_bytes()
        named = {WEIGHT_PREFIX + name: value for name, value in self._weights.items()}
        made = byte_constants(from_json(metadata_of(content)["byte_weights"]), self._weights | dict(self._in_bytes.steps))
        return self._core.read_model(with_weights(content, named | made))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `GraphNetwork.at_work`. Afterwards the memory stays for the next picture, if it is small; but not after the
        first picture, which is mostly the only one."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                ends = self._users == 0
                first = self._pictures == 0
                self._pictures += ends
            is_large = self._largest * self.bytes_per_pixel > KEPT_BYTES
            if ends and (first or is_large or free_bytes() < FREE_BYTES_TO_KEEP):
                self.release_memory()

    def release_memory(self) -> None:
        """See `GraphNetwork.release_memory`."""
        self._idle.clear()
        self._largest = 0
        for compiled in self._compiled.values():
            compiled.release_memory()

    def _run(self, name: str, noisy: NDArray[np.float32]) -> NDArray[np.float32]:
        idle = self._idle.setdefault(name, [])
        try:
            with self.at_work():
                request = idle.pop() if idle else self._compiled[name].create_infer_request()
                self._largest = max(self._largest, noisy.shape[-2] * noisy.shape[-1])
                request.infer([np.ascontiguousarray(noisy)], share_inputs=True)
                restored: NDArray[np.float32] = np.array(request.get_output_tensor(0).data, np.float32)
                idle.append(request)
        except Exception as error:
            if any(word in str(error).lower() for word in ("alloc", "out of memory")):
                self.release_memory()
                raise MemoryError(first_line(error)) from error
            raise self._refused(error) from error
        self._check_shape(restored, noisy)
        return restored


class _Compiling(threading.Thread):
    """Compiles a network. What fails is left for the one who wants the network: it compiles again, and gets the error."""

    def __init__(self, compile_: Callable[[], Any]) -> None:
        super().__init__(name="compiling")
        self._compile, self.compiled = compile_, None

    def run(self) -> None:
        with suppress(Exception):
            self.compiled = self._compile()


def multiplies_bytes(types: Sequence[str]) -> bool:
    """Whether the processor multiplies bytes and adds the products in 32 bits (VNNI). Without, sums of products saturate.

    Args:
        types: what it multiplies besides; all that multiply bfloat16 multiply bytes, too.

    >>> isinstance(multiplies_bytes(["float32"]), bool)
    True
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        flags = next((line for line in CPU_FACTS.read_text().splitlines() if line.startswith("flags")), "")
    except OSError:  # other systems than Linux
        flags = ""
    return "bfloat16" in types or bool(VNNI_FLAGS.intersection(flags.split()))


def _core() -> Any:
    """OpenVINO, without its converter of models: that takes 0.1 s to load, and knows a service that counts its use."""
    converter = "openvino.tools.ovc"
    if converter not in sys.modules:
        sys.modules[converter] = None  # type: ignore[assignment]
        try:
            return require("openvino", "The engine openvino").Core()
        finally:
            del sys.modules[converter]
    return require("openvino", "The engine openvino").Core()


def _place(device: str, there: Sequence[str]) -> str:
    """OpenVINO's name of a device: 'gpu:1' is 'GPU.1'."""
    wanted = device.upper().replace(":", ".")
    names = [*there, *{name.partition(".")[0] for name in there}]
    if wanted not in names:
        known = ", ".join(name.lower().replace(".", ":") for name in there)
        raise UsageError(f"The device '{device}' cannot be used by OpenVINO here; choose one of {known}, or leave it out.")
    return wanted


def _settings(place: str, precision: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": TYPES[precision][0]}
    if place == "CPU":  # unpinned: several workers would all be pinned to the same cores
        settings |= {"INFERENCE_NUM_THREADS": thread_count(), "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    return settings
