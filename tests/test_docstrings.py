"""Each public function and class has an example in its docstring. The doctest run checks that the examples are right."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any, is_typeddict

import pytest

import unnoise
from unnoise import denoisers, images, schemes
from unnoise.errors import UnnoiseError
from unnoise.models.model import Model

PACKAGES = (
    "batch",
    "evaluation",
    "files",
    "inference",
    "layers",
    "models",
    "noise",
    "photometry",
    "quality",
    "recipes",
    "schemes",
    "simulation",
)
"""Packages whose modules are public as a whole."""
MODULES = (
    "denoisers.base",
    "denoisers.ssattention",
    "denoisers.ssbsn_maps",
    "errors",
    "regions",
    "registry",
    "rng",
    "training.adapt",
    "training.checkpoints",
    "training.image_pool",
    "training.options",
    "training.sources",
    "training.teachers",
    "training.train",
)
EXEMPT = {
    "batch.camera_raw.ShownPixels": "it needs a camera raw file",
    "batch.camera_raw.shown": "it needs a camera raw file",
    "batch.interrupts.raise_interrupt": "it ends a program",
    "batch.interrupts.stop_by_signals": "it changes the process",
    "batch.pool_worker.serve": "it takes over its process",
    "evaluation.ablations.report.plot": "it needs a finished study",
    "evaluation.ablations.report.table": "it needs a finished study",
    "evaluation.ablations.runner.run": "it trains many networks",
    "inference.tiling.sides_for": "it depends on the free memory",
    "layers.partial.halo_crop.run_decoder": "`denoisers.unet` shows it at work",
    "layers.quantized.byte_maps.convolve_bytes": "it needs int8 weights of a student",
    "layers.quantized.dynamic.convolve_in_int8": "`fused_convolution.convolve` calls it",
    "layers.quantized.int8.convolve_int8": "it needs a CPU with int8 multiplication",
    "layers.triton.can_run": "it needs a GPU",
    "layers.triton.convolution.convolve_with_epilogue": "it needs a GPU",
    "layers.triton.depthwise.convolve_depthwise": "it needs a GPU",
    "layers.triton.epilogue.apply_epilogue": "it needs a GPU",
    "layers.triton.few_outputs.convolve_few_outputs": "it needs a GPU",
    "layers.triton.few_outputs.pack_taps": "it needs a GPU",
    "layers.triton.norms.layer_norm": "it needs a GPU",
    "layers.triton.shifted_sum.shifted_sum": "it needs a GPU",
    "Model.plot": "`models.notebook.plot_sample` has the example",
    "models.judging.report_on": "`Model.judge` has the example",
    "training.teachers.BlindSpotPasses": "only `Teacher` makes it",
}
"""Public names without an example, and why."""


def _defined_in(path: str) -> Iterator[tuple[str, Any]]:
    module = import_module(f"unnoise.{path}")
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            yield f"{path}.{name}", thing


def _public() -> Iterator[tuple[str, Any]]:
    for name in unnoise.__all__:
        yield name, getattr(unnoise, name)
    for name in images.__all__:
        yield f"images.{name}", getattr(images, name)
    for name, thing in vars(Model).items():
        if not name.startswith("_"):
            yield f"Model.{name}", thing
    for name in denoisers.names():
        yield f"denoisers.{name}", denoisers.lookup(name)
    for name in schemes.names():
        yield f"schemes.{name}", schemes.lookup(name)
    for package in PACKAGES:
        folder = import_module(f"unnoise.{package}")
        yield from _defined_in(package)
        for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
            yield from _defined_in(found.name.removeprefix("unnoise."))
    for module in MODULES:
        yield from _defined_in(module)


def _has_example(thing: Any) -> bool:
    """A class may have its examples at its methods."""
    parts = [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]
    return any(">>>" in (getattr(part, "__doc__", None) or "") for part in parts)


def _needs_example(thing: Any) -> bool:
    """Protocols and typed dicts only declare, and an error says all by its sentence."""
    if isinstance(thing, classmethod | staticmethod):
        thing = thing.__func__
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if inspect.isfunction(thing):
        return True
    declares = getattr(thing, "_is_protocol", False) or is_typeddict(thing)
    return inspect.isclass(thing) and not declares and not issubclass(thing, UnnoiseError | KeyboardInterrupt)


def test_each_public_name_has_an_example() -> None:
    needed = {name: thing for name, thing in _public() if _needs_example(thing)}
    assert len(needed) > 200
    lacking = {name for name, thing in needed.items() if not _has_example(thing)}
    assert lacking - EXEMPT.keys() == set()
    assert EXEMPT.keys() - lacking == set(), "these have examples now; take them from the list"


@pytest.mark.parametrize(("text", "expected"), [("Add one.", False), ("Add one.\n\n>>> add(1)\n2", True)])
def test_an_example_is_seen(text: str, expected: bool) -> None:
    def add(x: int) -> int:
        return x + 1

    add.__doc__ = text
    assert _needs_example(add)
    assert _has_example(add) is expected
