"""What a restoration costs: multiplications of the network, and memory of the process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unnoise.models.model import Model

PROBE_PIXELS = 96
"""Side of the picture on which multiplications are counted."""
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""What Linux takes as the order to forget the peak (`man 5 proc`)."""


def multiplications_per_pixel(model: Model, *, refine: bool | None = None, ensemble: bool | None = None) -> float | None:
    """Count the multiplications with addition (MACs) of the network for each pixel, by running it once.

    Only matrix products and convolutions count, as papers do it. What surrounds the network, such as the noise estimate,
    does not.

    Args:
        model: a copy of its network is run on a small picture.
        refine, ensemble: as `Model.denoise` takes them; None: as the recipe says.

    Returns:
        The number, all passes of R³ and of the self-ensemble included. None: the model has no weights, or runs without
        torch.

    >>> from unnoise import load
    >>> from unnoise.models.model import fresh
    >>> from unnoise import recipes
    >>> small = fresh(recipes.load("r2r-quick", {"denoiser": {"name": "dncnn", "features": 4, "layers": 3}}))
    >>> multiplications_per_pixel(small)  # 9 taps, times 3·4 + 4·4 + 4·3
    360.0
    >>> multiplications_per_pixel(load("bm3d")) is None
    True
    """
    if model.engine != "torch" or not model.network.is_trained:
        return None
    import torch

    from unnoise import denoisers
    from unnoise.inference.options import DenoiseOptions

    settings = DenoiseOptions(refine=refine, ensemble=ensemble).settings(model.recipe)
    scheme = model.recipe.scheme
    # A copy, since a model that was used holds tensors of inference, which gradients forbid
    network = denoisers.create(denoisers.name_of(model.network), **model.network.sizes)
    network.load_state_dict(model.network.state_dict())
    network.eval().requires_grad_(False)
    noisy = torch.rand(1, network.sizes.get("channels", 3), PROBE_PIXELS, PROBE_PIXELS)
    with torch.enable_grad():  # without gradients convolutions are fused into operators that nothing counts
        macs = _macs(lambda: scheme.restore(network, noisy, torch.Generator().manual_seed(0)))
        if settings.refinement is not None:
            again = _macs(lambda: scheme.refine(network, noisy, torch.Generator().manual_seed(0)))
            macs += settings.refinement.draws * again
    return macs * (8 if settings.ensemble else 1) / PROBE_PIXELS**2


def _macs(run: Any) -> int:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        macs = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            count = flop_registry.get(func.overloadpacket)
            if count is not None:
                self.macs += count(*args, **(kwargs or {}), out_val=result) // 2
            return result

    with Counter() as counter:  # type: ignore[no-untyped-call]
        run()
    return int(counter.macs)


class PeakMemory:
    """The most memory that this process held within a context, all that it had before included.

    On a GPU torch's tensors count; on a CPU, on Linux alone, what was resident.

    Attributes:
        mebibytes: known after the context; None: it cannot be told here.

    >>> with PeakMemory("cpu") as peak:
    ...     ones = bytearray(2**20)
    >>> peak.mebibytes is None or peak.mebibytes > 10
    True
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.mebibytes: float | None = None
        self._is_reset = False

    def __enter__(self) -> PeakMemory:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            try:
                _RESET.write_text(_RESET_PEAK)
                self._is_reset = True
            except OSError:  # another system, or it is forbidden in this container
                self._is_reset = False
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.startswith("cuda"):
            import torch

            self.mebibytes = torch.cuda.max_memory_allocated(self.device) / 2**20
        elif self._is_reset:
            found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
            self.mebibytes = int(found[1]) / 2**10 if found else None
