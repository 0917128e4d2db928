"""Lazy imports: classes that users name in recipes and options, names of packages, and optional libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from unnoise.errors import UnnoiseError, UsageError

T = TypeVar("T")

EXTRAS = {
    "accelerate": "train",
    "astropy": "fits",
    "fastapi": "web",
    "fsspec.core": "cluster",
    "gradio": "web",
    "h5py": "hdf5",
    "hdf5plugin": "hdf5",
    "huggingface_hub": "hub",
    "liffile": "lif",
    "matplotlib": "plot",
    "mrcfile": "mrc",
    "napari": "napari",
    "nd2": "nd2",
    "nibabel": "nifti",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "OpenEXR": "exr",
    "openvino": "openvino",
    "pillow_heif": "heic",
    "pyarrow": "cluster",
    "pyarrow.parquet": "cluster",
    "pydicom": "dicom",
    "pylibCZIrw": "czi",
    "pywt": "benchmark",
    "qtpy": "napari",
    "rawpy": "raw",
    "ray": "cluster",
    "ray.data": "cluster",
    "scipy": "benchmark",
    "skimage": "benchmark",
    "starlette": "web",
    "tensorboard": "train",
    "torch": "torch",
    "uvicorn": "web",
    "zarr": "zarr",
}
"""Optional library → the extra in pyproject.toml that brings it."""


def lazy_imports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package has as `__getattr__` and `__dir__`, so that its public names are imported when they are first used.

    Args:
        package: its `__name__`.
        homes: the module of each public name.

    Returns:
        `__getattr__`, which raises `AttributeError` for other names, and `__dir__`.

    >>> get, names = lazy_imports("shapes", {"pi": "math"})
    >>> get("pi"), names()
    (3.141592653589793, ['pi'])
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(homes[name]), name)

    return get, lambda: sorted(homes)


def require(library: str, purpose: str) -> ModuleType:
    """Import an optional library.

    Args:
        library: the name that it is imported by.
        purpose: what needs it, the subject of the error's sentence.

    Raises:
        UnnoiseError: it is not installed; the sentence names the extra that brings it, if one of `EXTRAS` does.

    >>> require("json", "This example").__name__
    'json'
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name not in (library, library.partition(".")[0]):  # it is installed, but one of its own imports is missing
            raise
        raise UnnoiseError(f"{purpose} needs {library}, which is not installed; {_way_to(library)}.") from error


def _way_to(library: str) -> str:
    if library not in EXTRAS:
        return f"run: pip install {library}"
    return f"in your copy of unnoise's source run: pip install '.[{EXTRAS[library]}]'"


def torch_missing() -> UsageError:
    """The error where something needs PyTorch, and it is not installed. Linux users choose its build themselves.

    >>> str(torch_missing())
    'PyTorch is not installed; run: pip install torch ...'
    """
    return UsageError(
        "PyTorch is not installed; run: pip install torch --index-url https://download.pytorch.org/whl/cpu, or with an NVIDIA GPU: "
        "pip install torch."
    )


class Registry(Generic[T]):
    """A table of names for classes or functions of one kind, which are imported on first use.

    Args:
        kind: the kind, as error messages call it.
        package: the dotted name of the package that holds the modules.
        table: name → "module:Attribute". The values are strings, so that listing the names imports nothing heavy.

    >>> decoders = Registry("decoder", "json", {"plain": "decoder:JSONDecoder"})
    >>> decoders.lookup("plain").__name__
    'JSONDecoder'
    >>> decoders.lookup("fancy")
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no decoder named 'fancy'; choose one of plain.
    """

    def __init__(self, kind: str, package: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self.package = package
        self.table = table

    def names(self) -> list[str]:
        """All names, in the table's order."""
        return list(self.table)

    def lookup(self, name: str) -> T:
        """Import the class or function with this name. Raises `UsageError` for an unknown name."""
        if name not in self.table:
            raise UsageError(f"There is no {self.kind} named '{name}'; choose one of {', '.join(self.table)}.")
        module, attribute = self.table[name].split(":")
        return cast(T, getattr(import_module(f"{self.package}.{module}"), attribute))

    def name_of(self, found: object) -> str:
        """The name of a class or function. Raises `KeyError` if it has none."""
        target = f"{found.__module__.removeprefix(self.package + '.')}:{getattr(found, '__qualname__', '')}"
        for name, path in self.table.items():
            if path == target:
                return name
        raise KeyError(target)
