"""What is timed: the whole restoration of a picture by each method, in its plain form, its fast form, and as
published."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from speed_plain import as_published
from unnoise import denoisers, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.precision import choose_precision
from unnoise.inference.settings import InferenceSettings
from unnoise.schemes import multi_mask
from unnoise.schemes.base import Scheme
from unnoise.schemes.r3 import R3

ADAPTER = "unnoise_speed.py"
"""The file that `--published DIR` expects in DIR, written by its owner. `restore(method)` returns a function from (1, 3, H,
W) in 0..1 to the same shape, on the CPU or the GPU that is timed. It returns None for a method that the checkout lacks."""


@dataclass(frozen=True)
class Method:
    """A recipe with one of its denoisers, at full size."""

    recipe: str
    denoiser: str | None = None
    refine: bool = False
    target: float | None = None
    """How many times faster than plain it is to be."""
    sizes: dict[str, Any] = field(default_factory=dict)

    def build(self) -> tuple[Denoiser, Scheme, R3 | None]:
        recipe = recipes.load(self.recipe)
        name = self.denoiser or recipe.denoiser.name
        sizes = recipe.denoiser.sizes if name == recipe.denoiser.name else {}
        torch.manual_seed(0)
        network = denoisers.create(name, **{**sizes, **self.sizes})
        for module in network.modules():
            if isinstance(module, nn.Conv2d):  # signals of ordinary size: numbers near zero would be slow by themselves
                nn.init.kaiming_normal_(module.weight)
        return network.eval(), recipe.scheme, recipe.refinement if self.refine else None


METHODS = {
    "ap-bsn": Method("ap-bsn", target=2.7),
    "ap-bsn, R3": Method("ap-bsn", refine=True, target=2.7),
    "ss-bsn": Method("ss-bsn", target=12),
    "at-bsn": Method("at-bsn", target=3),
    "student a": Method("at-bsn-d", "atbsn-student-a", target=3),
    "student b": Method("at-bsn-d", "atbsn-student-b", target=3),
    "student c": Method("at-bsn-d", "atbsn-student-c", target=3),
    "tm-bsn": Method("tm-bsn", target=2.5),
    "tm-bsn student": Method("tm-bsn-d", target=3),  # the network of the model `default`
    "tm-bsn student, bytes": Method("tm-bsn-d", "tmbsn-student-rounded", target=3),
    "fast": Method("tm-bsn-d", sizes={"width": 16, "finest": 16}),  # that of the model `fast`
    "amsnet unet": Method("amsnet-b", "unet", target=2.5),
    "amsnet dncnn": Method("amsnet-b", "dncnn", target=2.5),
    "amsnet deamnet": Method("amsnet-b", "deamnet", target=3),
    "amsnet restormer": Method("amsnet-b", target=5),
    "amsnet nafnet": Method("amsnet-b", "nafnet-baseline", target=5),
    "ap-bsn quick, R3": Method("ap-bsn-quick", refine=True),
}


def run(
    method: str, form: str, device: str, published: Path | None = None, precision: str = "auto"
) -> Callable[[Tensor], Tensor]:
    """The restoration of (1, 3, H, W) in 0..1 on `device` by a method in one form: plain, fast (in `precision`) or
    published."""
    if form == "published":
        assert published is not None
        return adapter(published)(method)
    network, scheme, refinement = METHODS[method].build()
    network.to(device)
    if form == "fast":
        return lambda noisy: Pipeline(network, scheme, InferenceSettings(refinement=refinement, precision=precision)).restore(
            noisy
        )
    as_published(network)
    low, high = network.value_range

    def plain(noisy: Tensor) -> Tensor:
        multi_mask.MAX_BATCH_PIXELS = {"other": (noisy.shape[-2] + 1) * (noisy.shape[-1] + 1)}  # the masks' branches one by one
        generator = torch.Generator().manual_seed(0)
        noisy = noisy * (high - low) + low
        result = scheme.restore(network, noisy, generator)
        if refinement is not None:
            result = refinement(
                lambda mixed: scheme.refine(network, mixed, generator), noisy, result, scheme.replacement, generator
            )
        return (result - low) / (high - low)

    return plain


def precision_of(method: str, device: str, name: str) -> torch.dtype:
    """What the fast form of a method works in, where that of this name is asked for."""
    return choose_precision(name, torch.device(device), METHODS[method].build()[0])


def adapter(folder: Path) -> Callable[[str], Any]:
    """The function `restore` of the user's adapter. Raises UsageError where there is none."""
    path = folder / ADAPTER
    spec = importlib.util.spec_from_file_location("unnoise_speed", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise UsageError(
            f"{folder} holds no {ADAPTER}, in which restore(method) gives the published code's function for a method."
        )
    sys.path.insert(0, str(folder))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.restore


def needed_bytes(method: str, form: str, pixels: int) -> float:
    """Memory that is certainly needed: but for ours, SS-BSN holds the softmax of one block, twice, in memory."""
    if form == "fast" or METHODS[method].recipe != "ss-bsn":
        return 0.0
    return 2 * 4 * pixels**2 / 16
