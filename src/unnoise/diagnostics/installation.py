"""Which libraries, extras and devices are here. Torch may be missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil
from pydantic import BaseModel

from unnoise import __version__
from unnoise.registry import EXTRAS

MAIN_LIBRARIES = (
    "onnxruntime",
    "openvino",
    "torch",
    "numpy",
    "pyvips",
    "pyvips-binary",
    "tifffile",
    "imagecodecs",
    "safetensors",
    "pydantic",
)
"""Libraries that every picture goes through, by the names of their distributions."""


class Installation(BaseModel):
    """What is installed on this machine.

    >>> find_installation().unnoise == __version__
    True
    """

    unnoise: str
    python: str
    system: str
    processor: str
    cores: int
    """Cores that this process may use."""
    machine_cores: int
    memory_gb: float
    """Memory of the machine, in 10⁹ bytes."""
    libraries: dict[str, str | None]
    """Version by name; None: not installed."""
    extras: dict[str, list[str]]
    """Libraries that are missing, for each extra. Empty: the extra is installed."""
    has_nvidia_gpu: bool
    """Whether the system has the driver of an NVIDIA GPU, whatever torch says."""

    @property
    def has_torch(self) -> bool:
        """Whether PyTorch is installed."""
        return self.libraries.get("torch") is not None

    @property
    def can_denoise(self) -> bool:
        """Whether PyTorch, OpenVINO or onnxruntime is installed, without one of which nothing is denoised."""
        return any(self.libraries.get(name) is not None for name in ("torch", "openvino", "onnxruntime"))

    @property
    def has_openvino(self) -> bool:
        """Whether OpenVINO is installed."""
        return self.libraries.get("openvino") is not None


def find_installation() -> Installation:
    """Look for libraries and hardware. Nothing heavy is imported.

    >>> "train" in find_installation().extras
    True
    """
    return Installation(
        unnoise=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        processor=_processor_name(),
        cores=usable_cores(),
        machine_cores=os.cpu_count() or 1,
        memory_gb=psutil.virtual_memory().total / 1e9,
        libraries={name: _version(name) for name in MAIN_LIBRARIES},
        extras=missing_by_extra(),
        has_nvidia_gpu=Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None,
    )


def missing_by_extra() -> dict[str, list[str]]:
    """The libraries that are not installed, for each extra, by the names that they are imported by.

    >>> missing_by_extra()["plot"] in ([], ["matplotlib"])
    True
    """
    missing: dict[str, list[str]] = defaultdict(list)
    for library, extra in EXTRAS.items():
        missing[extra] += [] if _is_installed(library) else [library]
    return dict(sorted(missing.items()))


def usable_cores() -> int:
    """How many cores this process may use, which may be fewer than the machine has.

    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_installed(library: str) -> bool:
    if library in sys.modules:
        return sys.modules[library] is not None
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:
        return False


def _version(name: str) -> str | None:
    if name == "torch" and not _is_installed("torch"):
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor_name() -> str:
    """The name that the system gives, as 'AMD EPYC 9R14'."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
