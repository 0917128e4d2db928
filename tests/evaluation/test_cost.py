"""What restorations cost: counts by hand, and memory that was taken on purpose."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unnoise import load, recipes
from unnoise.evaluation.cost import multiplications_per_pixel
from unnoise.models.model import fresh

DNCNN = {"denoiser": {"name": "dncnn", "features": 6, "layers": 4}}
BY_HAND = 9 * (3 * 6 + 2 * 6 * 6 + 6 * 3)
"""Of the first, the two inner and the last layer."""


def test_multiplications_equal_a_count_by_hand() -> None:
    model = fresh(recipes.load("r2r-quick", DNCNN))
    assert multiplications_per_pixel(model) == BY_HAND
    assert multiplications_per_pixel(model, ensemble=True) == 8 * BY_HAND


def test_passes_of_the_refinement_count() -> None:
    model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1}))
    one, refined = (multiplications_per_pixel(model, refine=refine) for refine in (False, True))
    again = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1, "scheme.infer_stride": 1}))
    whole = multiplications_per_pixel(again, refine=False)  # a pass without a mosaic
    assert one is not None
    assert refined is not None
    assert whole is not None
    assert refined - one == pytest.approx(model.recipe.refinement.draws * whole, rel=0.15)  # the border of a pass counts too


def test_fused_convolutions_count_like_others() -> None:
    """The shipped networks fuse layers where no gradient is wanted. In training they do not, and torch's own counter sees
    them."""
    model = load("fast")
    model.network.train()
    with FlopCounterMode(display=False) as counter:
        model.network(torch.rand(1, 3, 64, 64))
    model.network.eval()
    found = multiplications_per_pixel(model)
    assert found == pytest.approx(counter.get_total_flops() / 2 / 64**2, rel=0.02)
    model.denoise(np.zeros((20, 20, 3), np.uint8), force=True)  # what it prepares for inference has no gradients
    assert multiplications_per_pixel(model) == found
    assert found > 10_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak that can be reset")
def test_the_peak_is_that_of_the_context_alone() -> None:
    """In a process of its own, as this one may hold memory that other tests freed."""
    code = """
import numpy as np
from unnoise.evaluation.cost import PeakMemory

taken = np.ones(150 * 2**17)  # 150 MiB
with PeakMemory("cpu") as high:
    more = np.ones(50 * 2**17)
del taken, more
with PeakMemory("cpu") as low:
    pass
print(high.mebibytes - low.mebibytes)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 190 < float(told.stdout) < 260
