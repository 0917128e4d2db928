"""The tunable blind spot: what its loss is, that the holes are those asked for, and which networks it takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import golden, relative_error, wide_open
from unnoise import denoisers, recipes
from unnoise.denoisers.atbsn import ATBSN
from unnoise.denoisers.tmbsn import TMBSN
from unnoise.errors import UsageError
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.regions import Region, RegionSource
from unnoise.rng import PositionalGenerator
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot


def _times_hole(x: Tensor, *, blind_spot: int) -> Tensor:
    return x * blind_spot


def test_each_task_has_its_own_hole() -> None:
    scheme = TunableBlindSpot(train_hole=9, infer_hole=3)
    noisy = torch.rand(2, 3, 7, 5)
    assert scheme.loss(_times_hole, noisy).item() == pytest.approx(8 * noisy.mean().item(), rel=1e-6)  # type: ignore[arg-type]
    assert torch.equal(scheme.restore(_times_hole, noisy), 3 * noisy)  # type: ignore[arg-type]
    assert torch.equal(scheme.refine(_times_hole, noisy), noisy)  # type: ignore[arg-type]


@pytest.mark.data
@pytest.mark.parametrize("hole", [0, 1, 3, 9])
def test_golden(hole: int) -> None:
    weights, cases = golden("atbsn")
    network = ATBSN.from_weights(weights)
    assert network is not None
    noisy, expected = cases[f"hole{hole}"]
    with torch.no_grad():
        assert relative_error(TunableBlindSpot(infer_hole=hole).restore(network, noisy), expected) < 1e-4


@settings(max_examples=25)
@given(height=st.integers(1, 12), width=st.integers(1, 12), pad=st.integers(0, 14))
def test_pad_reflects_as_far_as_the_picture_allows(height: int, width: int, pad: int) -> None:
    noisy = torch.rand(2, 3, height, width)
    seen: list[Tensor] = []

    def network(x: Tensor, *, blind_spot: int) -> Tensor:
        seen.append(x)
        return x

    scheme = TunableBlindSpot(pad=pad)
    assert torch.equal(scheme.restore(network, noisy), noisy)  # type: ignore[arg-type]
    rows, columns = min(pad, height - 1), min(pad, width - 1)
    assert torch.equal(seen[0], F.pad(noisy, (columns, columns, rows, rows), mode="reflect"))
    assert scheme.loss(network, noisy) == 0  # type: ignore[arg-type]
    assert torch.equal(seen[1], noisy)  # no border in training


@pytest.mark.parametrize(("name", "hole"), [("atbsn", 1), ("atbsn", 5), ("tmbsn", 1), ("tmbsn", 3)])
def test_the_hole_and_nothing_else_is_hidden(name: str, hole: int) -> None:
    sizes = {"width": 2} if name == "atbsn" else {"features": 2, "groups": 1, "blocks": 1}
    network = wide_open(denoisers.create(name, **sizes))
    noisy = torch.rand(1, 3, 19, 23, dtype=torch.float64, requires_grad=True)
    TunableBlindSpot(infer_hole=hole).restore(network, noisy)[..., 9, 11].sum().backward()
    assert noisy.grad is not None
    rows, columns = (torch.arange(19)[:, None] - 9).abs(), (torch.arange(23) - 11).abs()
    half = hole // 2
    if name == "atbsn":  # the corners of the square's surroundings are seen through pooling alone, which drops many pixels
        hidden = torch.maximum(rows, columns) <= half
        around = (torch.maximum(rows, columns) == half + 1) & (torch.minimum(rows, columns) <= half)
    else:
        hidden, around = rows + columns < hole, rows + columns == hole
    seen = noisy.grad[0].abs().sum(0) > 0
    assert not seen[hidden].any()
    assert seen[around].all()


@pytest.mark.parametrize("hole", [1, 9])
def test_tiles_see_as_far_as_the_hole_asks(hole: int) -> None:
    torch.manual_seed(0)
    network = TMBSN(features=4, groups=1, blocks=1, blind_spot=1)
    for parameter in network.parameters():
        parameter.data.abs_()  # what lies farthest away must still be felt
    noisy = torch.rand(1, 3, 70, 61)
    scheme = TunableBlindSpot(infer_hole=hole)
    whole = Pipeline(network, scheme, InferenceSettings(precision="float32")).restore(noisy)
    tiled = Pipeline(network, scheme, InferenceSettings(precision="float32", tile=16)).restore(noisy)
    assert relative_error(tiled, whole) < 1e-6


@pytest.mark.parametrize(("pad", "wrapped", "spared"), [(0, False, True), (3, False, True), (0, True, False)])
def test_a_tile_asks_for_its_part_alone(pad: int, wrapped: bool, spared: bool) -> None:
    """With a border too; but of what is no tunable network itself for the whole of what it reads; the result is the same."""
    network = ATBSN(channels=1, width=2).eval()
    asked: list[Region | None] = []
    network.register_forward_pre_hook(lambda _, __, keywords: asked.append(keywords.get("region")), with_kwargs=True)
    view, part = RegionSource.of(torch.rand(1, 1, 70, 40)), (slice(5, 30), slice(11, 40))
    scheme = TunableBlindSpot(infer_hole=5, pad=pad)
    runs = torch.nn.DataParallel(network) if wrapped else network
    with torch.inference_mode():
        result = scheme.restore_region(
            runs, view, part, network.receptive_field_radius, network.size_multiple, PositionalGenerator(0)
        )
    shifted = tuple(slice(stretch.start + pad, stretch.stop + pad) for stretch in part)
    assert asked == [shifted if spared else None]
    assert relative_error(result, scheme.restore(network, view.read(slice(0, 70), slice(0, 40)))[..., *part]) < 1e-5


WRAPPED = """
import os
import torch
from unnoise.denoisers.tmbsn import TMBSN
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot

torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
network = TMBSN(features=4, groups=1, blocks=1)
wrapped = torch.nn.parallel.DistributedDataParallel(network)
noisy = torch.rand(1, 3, 12, 9)
loss = TunableBlindSpot(train_hole=5).loss(wrapped, noisy)
expected = (network(noisy, blind_spot=5) - noisy).abs().mean()
loss.backward()
print(loss.item(), expected.item(), network.nin_A.weight.grad is not None, flush=True)
os._exit(0)
"""
"""In a process of its own, which ends at once: once, PyTorch 2.13 waited forever as it took the group's threads down."""


def test_a_network_wrapped_for_many_machines_takes_the_hole() -> None:
    made = subprocess.run([sys.executable, "-c", WRAPPED], capture_output=True, text=True, timeout=300, check=True)
    loss, expected, has_gradient = made.stdout.split()
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert has_gradient == "True"


@pytest.mark.parametrize(
    ("denoiser", "scheme", "sentence"),
    [
        ("unet", {}, "chooses the blind spot at each call, which UNet does not let it; take one of the denoisers atbsn, tmbsn"),
        ("atbsn", {"train_hole": 4}, "an odd number of pixels across, got 4"),
        ("atbsn", {"infer_hole": 2}, "an odd number of pixels across, got 2"),
        ("atbsn", {"refine_hole": 6}, "an odd number of pixels across, got 6"),
        ("atbsn", {"train_hole": 0}, "greater than or equal to 1"),
        ("atbsn", {"holes": 3}, "has no field 'scheme.holes'"),
    ],
)
def test_recipes_that_cannot_work_are_refused(denoiser: str, scheme: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        recipes.validate({"name": "bad", "denoiser": denoiser, "scheme": {"name": "tunable-blind-spot"} | scheme}, "bad")


def test_even_holes_are_fine_for_a_diamond() -> None:
    fields = {"name": "good", "denoiser": "tmbsn", "scheme": {"name": "tunable-blind-spot", "train_hole": 4, "infer_hole": 2}}
    assert recipes.validate(fields, "good").scheme.name == "tunable-blind-spot"  # type: ignore[attr-defined]
