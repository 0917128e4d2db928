"""unnoise takes noise out of real photographs and scientific images without ever having seen a clean one.

The public names are below; each is imported when it is first used, so that `import unnoise` is quick and brings no torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from unnoise.deprecated.modules import install as _install_moved_modules
from unnoise.registry import torch_missing

__version__ = "0.1.0"

if TYPE_CHECKING:
    from unnoise import denoisers, images, models, noise, recipes, schemes, simulation
    from unnoise.errors import UnnoiseError, UsageError
    from unnoise.evaluation.scoring import evaluate
    from unnoise.models import shipped as zoo
    from unnoise.models.inspection import inspect
    from unnoise.models.model import Model
    from unnoise.models.one_call import denoise
    from unnoise.models.shipped import load
    from unnoise.training.adapt import adapt
    from unnoise.training.train import train

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
    "models",
    "noise",
    "recipes",
    "schemes",
    "simulation",
    "train",
    "zoo",
]

_install_moved_modules()

_PREPARED_SHAPES = "256"
# PyTorch's convolution library keeps what it prepared for the latest 1,024 shapes: several hundred megabytes after
# pictures of many sizes (docs/results/faults.md). A picture has 40 to 350 shapes. Both are read when PyTorch is loaded.
for _variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_variable, _PREPARED_SHAPES)

_HOMES = {
    "Model": "unnoise.models.model",
    "UnnoiseError": "unnoise.errors",
    "UsageError": "unnoise.errors",
    "adapt": "unnoise.training.adapt",
    "denoise": "unnoise.models.one_call",
    "evaluate": "unnoise.evaluation.scoring",
    "inspect": "unnoise.models.inspection",
    "load": "unnoise.models.shipped",
    "train": "unnoise.training.train",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'unnoise' has no attribute '{name}'")
    try:
        module = import_module(_HOMES.get(name, f"unnoise.{name}"))
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise torch_missing() from error
        raise
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return sorted(__all__)
