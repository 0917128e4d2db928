"""What a scheme gives within a place is what it gives of the whole, cropped; and what it shows a network is counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from unnoise import denoisers
from unnoise.regions import Region
from unnoise.rng import PositionalGenerator
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.base import Scheme
from unnoise.schemes.distillation import Distillation
from unnoise.schemes.noise2self import Noise2Self
from unnoise.schemes.pd_blind_spot import PDBlindSpot
from unnoise.schemes.risk_averaged import RiskAveraged
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot

SCHEMES: list[tuple[str, dict[str, Any], Scheme]] = [
    ("dbsn", {"features": 4, "modules": 2}, PDBlindSpot()),
    ("dbsn", {"features": 4, "modules": 1}, PDBlindSpot(infer_stride=3, border=0)),
    ("dbsn", {"features": 4, "modules": 1}, PDBlindSpot(infer_stride=1, border=5)),
    ("dncnn", {"features": 4, "layers": 3}, PDBlindSpot()),
    ("ssbsn", {"features": 4, "modules": 2, "attention_modules": 0}, PDBlindSpot()),
    ("dbsn", {"features": 4, "modules": 1}, AsymmetricMask(masks=3, partitions=2)),
    ("unet", {"features": 2}, AsymmetricMask()),
    ("atbsn", {"width": 2}, TunableBlindSpot(pad=7)),
    ("tmbsn", {"features": 2, "groups": 1, "blocks": 1}, TunableBlindSpot(train_hole=5, infer_hole=4)),
    ("tmbsn", {"features": 2, "groups": 1, "blocks": 1}, RiskAveraged(blind_spot_sizes=(1, 2))),
    ("tmbsn-student", {"width": 2}, Distillation()),
    ("dncnn", {"features": 4, "layers": 3}, Noise2Self(period=3)),
    ("n2v-unet", {"features": 2}, Noise2Self(blind=False)),
]


class Wrapped(nn.Module):
    """A network of somebody else's, which knows nothing of parts."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, **holes: int) -> Tensor:
        result: Tensor = self.network(x, **holes)
        return result


@pytest.mark.parametrize(("name", "sizes", "scheme"), SCHEMES, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("wrapped", [False, True])
@settings(max_examples=4, deadline=None)
@given(
    size=st.tuples(st.integers(2, 50), st.integers(2, 50)),
    corner=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_within_a_place(
    name: str,
    sizes: dict[str, Any],
    scheme: Scheme,
    wrapped: bool,
    size: tuple[int, int],
    corner: tuple[float, float],
    share: tuple[float, float],
) -> None:
    if wrapped and isinstance(scheme, RiskAveraged):
        return  # which asks for many holes at once, as our networks alone give them
    torch.manual_seed(0)
    network = denoisers.create(name, **sizes).eval()
    for parameter in network.parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    runs: nn.Module = Wrapped(network) if wrapped else network
    starts = [int(c * length) for c, length in zip(corner, size, strict=True)]
    wanted: Region = tuple(  # type: ignore[assignment]
        slice(start, start + max(1, round(s * (length - start)))) for start, s, length in zip(starts, share, size, strict=True)
    )
    noisy = torch.rand(1, 3, *size)
    with torch.inference_mode():
        for whole, within in ((scheme.restore, scheme.restore_cropped), (scheme.refine, scheme.refine_cropped)):
            expected = whole(runs, noisy, PositionalGenerator(3))[..., *wanted]
            result = within(runs, noisy, wanted, PositionalGenerator(3))
            assert result.shape == expected.shape
            assert (result - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("scheme", [PDBlindSpot(), PDBlindSpot(infer_stride=1), TunableBlindSpot(pad=9), Distillation()])
@pytest.mark.parametrize("size", [(13, 22), (7, 40)])
def test_what_a_network_is_shown_is_counted(scheme: Scheme, size: tuple[int, int]) -> None:
    seen: list[int] = []

    def network(x: Tensor, **holes: int) -> Tensor:
        seen.append(x[0, 0].numel())
        return x

    scheme.restore(network, torch.rand(1, 3, *size))
    assert seen == [scheme.network_pixels(*size)]
