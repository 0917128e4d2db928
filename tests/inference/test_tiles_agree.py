"""Tiled and whole results agree wherever the network's reach is finite: any size, any tile, with all that follows the first estimate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.dbsn import DBSN
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.base import Scheme
from unnoise.schemes.distillation import Distillation
from unnoise.schemes.pd_blind_spot import PDBlindSpot
from unnoise.schemes.r3 import R3
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot

FINITE: list[tuple[str, dict[str, Any], Scheme]] = [
    ("dbsn", {"features": 4, "modules": 2}, PDBlindSpot()),
    ("dbsn", {"features": 4, "modules": 1}, PDBlindSpot(infer_stride=3, border=1)),
    ("dbsn", {"features": 4, "modules": 1}, PDBlindSpot(infer_stride=5, border=0)),
    ("dbsn", {"features": 4, "modules": 1}, PDBlindSpot(infer_stride=1)),
    ("dbsn-dense", {"features": 4, "modules": 2}, PDBlindSpot()),
    ("atbsn", {"width": 4}, TunableBlindSpot()),
    ("atbsn", {"width": 4}, TunableBlindSpot(pad=5)),
    ("tmbsn", {"features": 4, "groups": 1, "blocks": 1}, TunableBlindSpot(train_hole=5, infer_hole=4)),
    ("atbsn-student-a", {"width": 4}, Distillation()),
    ("atbsn-student-b", {"width": 4}, Distillation()),
    ("atbsn-student-c", {"width": 4}, Distillation()),
    ("tmbsn-student", {"width": 4}, Distillation()),
    ("tmbsn-student-rounded", {"width": 4}, Distillation()),
    ("unet", {"features": 4}, Distillation()),
    ("unet-blindspot", {"features": 2}, Distillation()),
    ("unet", {"features": 2}, AsymmetricMask(partitions=2)),
    ("dncnn", {"features": 4, "layers": 4}, AsymmetricMask()),
    ("dncnn", {"features": 4, "layers": 3}, AsymmetricMask(masks=3, partitions=2)),
]


def _loud(network: Denoiser) -> Denoiser:
    """With weights large enough that the far ends of its reach tell."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    return network.eval()


def _assert_close(tiled: Tensor, whole: Tensor) -> None:
    assert whole.std() > 0
    assert (whole - tiled).abs().max() <= 1e-5 * whole.abs().max()


@pytest.mark.parametrize(("name", "sizes", "scheme"), FINITE, ids=lambda value: value if isinstance(value, str) else "")
@settings(max_examples=2, deadline=None)
@given(
    longer=st.integers(0, 60),
    width=st.integers(1, 30),
    more=st.integers(0, 40),
    refine=st.booleans(),
    turned=st.booleans(),
)
def test_tiled_is_whole(
    name: str, sizes: dict[str, Any], scheme: Scheme, longer: int, width: int, more: int, refine: bool, turned: bool
) -> None:
    """On stripes longer than the reach to both sides, so that a tile in the middle sees neither end."""
    torch.manual_seed(0)
    network = _loud(denoisers.create(name, **sizes))
    assert network.receptive_field_radius is not None
    noisy = torch.rand(1, 3, 2 * scheme.restore_radius(network.receptive_field_radius) + longer, width)
    noisy = noisy.mT if turned else noisy
    refinement = R3(draws=1, probability=0.3) if refine else None
    tile = 16 + network.receptive_field_radius // 2 + more
    whole = Pipeline(
        network, scheme, InferenceSettings(precision="float32", refinement=refinement, tile=max(16, *noisy.shape))
    ).restore(noisy)
    tiled = Pipeline(
        network,
        scheme,
        InferenceSettings(precision="float32", refinement=refinement, tile=tile),
    ).restore(noisy)
    _assert_close(tiled, whole)


@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 50), width=st.integers(1, 50), tile=st.integers(16, 40), pixel=st.booleans())
def test_tiled_is_whole_with_the_self_ensemble(height: int, width: int, tile: int, pixel: bool) -> None:
    """Odd sides too, whose mirror images PD cuts in another phase."""
    torch.manual_seed(0)
    network = _loud(DBSN(features=4, modules=1))
    scheme: Scheme = AsymmetricMask() if pixel else PDBlindSpot()
    noisy = torch.rand(2, 3, height, width)
    settings_ = {"precision": "float32", "refinement": R3(draws=2, probability=0.3), "ensemble": True}
    whole = Pipeline(network, scheme, InferenceSettings(**settings_, tile=50)).restore(noisy)  # type: ignore[arg-type]
    tiled = Pipeline(network, scheme, InferenceSettings(**settings_, tile=tile)).restore(noisy)  # type: ignore[arg-type]
    _assert_close(tiled, whole)
