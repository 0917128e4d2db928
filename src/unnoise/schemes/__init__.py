"""The schemes: how a network learns from noisy images alone. One file each, one line in the table below."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from unnoise.schemes.base import Scheme

# The table holds names, not classes, so that listing the schemes imports no torch.
_SCHEMES = {
    "pd-blind-spot": "pd_blind_spot:PDBlindSpot",
}


def names() -> list[str]:
    """The names that a recipe may give as its scheme."""
    return list(_SCHEMES)


def lookup(name: str) -> type[Scheme]:
    """The class behind a name. Raises `UsageError` for an unknown one."""
    if name not in _SCHEMES:
        raise UsageError(f"There is no scheme named '{name}'; choose one of {', '.join(names())}.")
    module, attribute = _SCHEMES[name].split(":")
    scheme: type[Scheme] = getattr(import_module(f"unnoise.schemes.{module}"), attribute)
    return scheme
