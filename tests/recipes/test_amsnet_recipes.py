"""The recipes of AMSNet say what the paper says, take each of its denoisers, and refuse senseless numbers."""

from __future__ import annotations

import pytest
import torch

from unnoise import denoisers, recipes, schemes
from unnoise.errors import UsageError
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.asymmetric_mask_tv import AsymmetricMaskTV
from unnoise.schemes.multi_mask import MultiMask

DENOISERS = ["restormer", "deamnet", "nafnet", "nafnet-baseline", "unet", "dncnn", "dbsn", "dbsn-dense"]


def test_parameters_are_checked() -> None:
    for field, value in {"masks": 1, "keep": 1.0, "infer_stride": 0, "partitions": 0, "loss": "l2"}.items():
        with pytest.raises(ValueError, match=field):
            AsymmetricMask(**{field: value})
    with pytest.raises(UsageError, match="A checkerboard is one partition into two masks, not 1 into 3"):
        recipes.load("amsnet-b", {"scheme.masks": 3, "scheme.checkerboard": True})
    with pytest.raises(UsageError, match="A pixel that 2 of 2 masks hide is never shown"):
        recipes.load("amsnet-b", {"scheme.overlap": 2})
    with pytest.raises(UsageError, match="weight"):
        recipes.load("amsnet-p", {"scheme.weight": -1})


@pytest.mark.parametrize(("recipe", "scheme"), [("amsnet-b", AsymmetricMask), ("amsnet-p", AsymmetricMaskTV)])
def test_recipes(recipe: str, scheme: type[MultiMask]) -> None:
    chosen = recipes.load(recipe)
    assert chosen.scheme == scheme()
    assert schemes.lookup(scheme().name) is scheme  # type: ignore[attr-defined]
    with torch.device("meta"):
        network = denoisers.create(chosen.denoiser.name, **chosen.denoiser.sizes)
    assert network.parameter_count() == 26_111_668
    assert chosen.refinement is None
    again = recipes.validate(chosen.model_dump(mode="json"), recipe)
    assert again == chosen
    for name in DENOISERS:
        recipes.load(recipe, {"denoiser": {"name": name}})
