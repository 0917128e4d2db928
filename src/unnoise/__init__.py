"""unnoise takes noise out of real photographs and scientific images without ever having seen a clean one.

The public names are below; each is imported when it is first used, so that `import unnoise` is quick and brings no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from unnoise import denoisers, images, noise, recipes, schemes, zoo
    from unnoise.api import denoise
    from unnoise.errors import UnnoiseError, UsageError
    from unnoise.evaluation import evaluate
    from unnoise.model import Model
    from unnoise.noise.inspection import inspect
    from unnoise.training.adaptation import adapt
    from unnoise.training.train import train
    from unnoise.zoo import load

__all__ = [
    "Model",
    "UnnoiseError",
    "UsageError",
    "__version__",
    "adapt",
    "denoise",
    "denoisers",
    "evaluate",
    "images",
    "inspect",
    "load",
    "noise",
    "recipes",
    "schemes",
    "train",
    "zoo",
]

_HOMES = {
    "Model": "unnoise.model",
    "UnnoiseError": "unnoise.errors",
    "UsageError": "unnoise.errors",
    "adapt": "unnoise.training.adaptation",
    "denoise": "unnoise.api",
    "evaluate": "unnoise.evaluation",
    "inspect": "unnoise.noise.inspection",
    "load": "unnoise.zoo",
    "train": "unnoise.training.train",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"unnoise.{name}")
    raise AttributeError(f"module 'unnoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
