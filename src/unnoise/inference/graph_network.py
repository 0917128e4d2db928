"""What all networks that are ONNX graphs have in common, whichever library runs them."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, C, H, W) → (1, C, H, W), values about 0..1."""


@dataclass(frozen=True)
class ByteGraph:
    """The same network as a graph of bytes without weights, and the steps of its maps, which its constants need.

    >>> ByteGraph(Path("graph.onnx"), {}).steps
    {}
    """

    graph: Path
    steps: Mapping[str, NDArray[np.float32]]
    """By their names in the network; see `inference.byte_weights`."""


class GraphNetwork(ABC):
    """An ONNX graph with its weights, for values of 0..1: (1, C, H, W) → (1, C, H, W).

    Args:
        graph: the file, or its bytes.
        weights: the weights of a graph that has none itself, by their names in the network; None: it has its own.
        device: where it runs; None or 'auto': the CPU.
        origin: the file, for errors.
        in_bytes: what it is in int8, for libraries that multiply bytes; None: it is not known.

    >>> from unnoise.models import shipped
    >>> network: GraphNetwork = shipped.load("fast", "onnx").network
    >>> network.engine, network.denoiser, network.step, network(np.zeros((1, 3, 5, 7), np.float32)).shape
    ('onnx', 'tmbsn-student-rounded', 32, (1, 3, 5, 7))
    """

    library: ClassVar[str] = "numpy"
    """The kind of arrays that it takes."""
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    engine: ClassVar[str]
    """The name of what runs it, as `--engine` takes it."""
    runtime: ClassVar[str]
    """The name of the library that runs it, for sentences."""

    def __init__(
        self,
        graph: Path | bytes,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        device: str | None = None,
        origin: str = "The graph",
        in_bytes: ByteGraph | None = None,
    ) -> None:
        self._graph, self._weights, self.origin, self._in_bytes = graph, dict(weights or {}), origin, in_bytes
        self.facts: dict[str, str] = {}
        """The metadata of the graph; see docs/onnx.md."""
        self.device = ""
        self._open(device)
        self.sizes: dict[str, Any] = {}
        self._check_facts()

    def _check_facts(self) -> None:
        """Read the metadata once, so that what is damaged is told at the beginning. Raises `UnnoiseError`."""
        try:
            self.sizes |= json.loads(self.facts.get("sizes", "{}"))
            is_sound = self.channels > 0 and self.step > 0 and (self.halo or 0) >= 0 and 0 < self.bytes_per_pixel < math.inf
        except (ValueError, TypeError, OverflowError, RecursionError):
            is_sound = False
        if not is_sound:
            raise UnnoiseError(f"{self.origin} has damaged metadata; get it again, or export it anew.")

    def _check_shape(self, restored: NDArray[np.float32], noisy: NDArray[np.float32]) -> None:
        """Raises `UnnoiseError` where a damaged graph gives a picture of another size."""
        if restored.shape != noisy.shape:
            raise UnnoiseError(
                f"{self.origin} gives {restored.shape} for a picture of {noisy.shape}: it is damaged, or no denoiser; "
                "get it again, or export it anew."
            )

    @abstractmethod
    def _open(self, device: str | None) -> None:
        """Set `facts` and `device`, and prepare the graph."""

    def chosen_precision(self, name: str | None) -> str:
        """The precision that `in_precision` takes for a name. Raises `UsageError` as it does."""
        if name not in (None, "auto", "float32"):
            raise self._refuse_precision(str(name), "float32")
        return "float32"

    def begin(self, precision: str | None) -> None:  # noqa: B027 (most libraries are ready when they have read the graph)
        """Prepare a precision in a thread of its own, for `in_precision` to wait for. What fails, fails there."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within this context the memory of one tile's maps may stay for the next one."""
        yield

    def release_memory(self) -> None:  # noqa: B027 (most libraries keep none)
        """Give back the memory that is kept for more tiles or pictures."""

    @abstractmethod
    def in_precision(self, name: str | None) -> Run:
        """The network in a precision of `--precision`; None or 'auto': the fastest that does the picture no harm.

        Raises:
            UsageError: the library does not compute in it here.
        """

    def __call__(self, noisy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Restore one picture in float32. Raises `MemoryError` if memory does not suffice."""
        return self.in_precision("float32")(noisy)

    def __reduce__(self) -> tuple[Any, ...]:
        """What is open cannot be sent to other processes, so a copy opens its own."""
        return type(self), (self._graph, self._weights, self.device, self.origin, self._in_bytes)

    def to(self, device: str) -> GraphNetwork:
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
        """Bytes that the maps take for each pixel of a tile."""
        return float(self.facts.get("bytes_per_pixel") or 2000)

    def parameter_count(self) -> int:
        """Number of weights that the graph gets; 0 if they are in its file."""
        return sum(value.size for value in self._weights.values())

    def state(self) -> Mapping[str, NDArray[np.float32]]:
        """All that the results depend on, as arrays by name."""
        if not self._weights:
            return {"graph": np.frombuffer(self._content(), np.uint8).astype(np.float32)}
        return self._weights | dict(self._in_bytes.steps if self._in_bytes else {})

    def _content(self) -> bytes:
        return self._graph if isinstance(self._graph, bytes) else self._graph.read_bytes()

    def _refuse_precision(self, name: str, known: str) -> UsageError:
        return UsageError(
            f"{self.runtime} computes in {known} here, not in {name}; leave --precision out, or give --engine torch."
        )


def first_line(error: Exception) -> str:
    """The first line of an error of a runtime, whose messages can be a page long.

    >>> first_line(ValueError("one\\ntwo"))
    'one'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
