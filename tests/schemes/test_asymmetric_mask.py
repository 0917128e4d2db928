"""AMSNet's mask scheme: hidden pixels stay hidden, every pixel is predicted once, and it learns from noisy pictures alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import wide_open
from unnoise import denoisers
from unnoise.denoisers.dncnn import DnCNN
from unnoise.inference.memory import pixels_at_work
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.schemes import multi_mask
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.asymmetric_mask_tv import AsymmetricMaskTV
from unnoise.schemes.multi_mask import MultiMask
from unnoise.schemes.r3 import R3

SMALL: dict[str, dict[str, Any]] = {
    "dncnn": {"features": 4, "layers": 4},
    "unet": {"features": 4},
    "restormer": {"dim": 4, "blocks": [1, 1, 1, 1], "refinement_blocks": 1, "heads": [1, 2, 2, 4]},
    "deamnet": {"features": 16},
    "nafnet": {"width": 4, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "nafnet-baseline": {"width": 4, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "unet-blindspot": {"features": 4},
    "dbsn-dense": {"features": 4, "modules": 1},
    "dbsn": {"features": 4, "modules": 1},
}
BOTH: list[type[MultiMask]] = [AsymmetricMask, AsymmetricMaskTV]


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class _Recorder:
    """A network that keeps what it was shown and gives each call and image a result of its own."""

    def __init__(self) -> None:
        self.shown: list[Tensor] = []
        self.results: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.shown.append(x.detach())
        self.results.append(torch.rand_like(x) + 1)
        return self.results[-1]


# -- what the network is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in SMALL),
        ("dncnn", {"masks": 3}),
        ("dncnn", {"masks": 4, "overlap": 3}),
        ("dncnn", {"masks": 5, "overlap": 2}),
        ("dncnn", {"checkerboard": True}),
        ("dncnn", {"partitions": 2}),
    ],
    ids=str,
)
def test_hidden_pixels_never_reach_their_own_prediction(name: str, options: dict[str, Any]) -> None:
    """At any place, whether the network is blind or not, at both strides and without PD."""
    network = wide_open(denoisers.create(name, **SMALL[name])).eval()
    scheme = AsymmetricMask(**options)
    noisy = torch.rand(1, 3, 9, 12, dtype=torch.float64, requires_grad=True)
    for run in (scheme.restore, scheme.refine):
        for place in ((4, 7), (0, 11)):
            noisy.grad = None
            run(network, noisy, _generator())[..., place[0], place[1]].sum().backward()
            assert noisy.grad is not None
            assert noisy.grad[..., place[0], place[1]].abs().max() == 0
            assert noisy.grad.abs().max() > 0


def test_the_same_network_without_masks_copies() -> None:
    """So the test above is one of the scheme, not of the networks."""
    network = wide_open(DnCNN(**SMALL["dncnn"])).eval()
    noisy = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    network(noisy)[..., 4, 4].sum().backward()
    assert noisy.grad is not None
    assert noisy.grad[..., 4, 4].abs().min() > 0


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.9375])
def test_training_shows_one_mask_over_the_components(keep: float) -> None:
    noisy = torch.rand(2, 3, 150, 100) + 0.5
    network = _Recorder()
    AsymmetricMask(keep=keep).loss(network, noisy, _generator())
    (shown,) = network.shown
    parts = split_batch(noisy, 5)
    kept = shown[:, :1] != 0
    assert torch.equal(shown, parts * kept)
    assert kept.double().mean().item() == pytest.approx(keep, abs=0.02)
    assert kept.double().mean((1, 2, 3)).std() < 0.05  # each component has its share
    assert not torch.equal(kept[0], kept[1])


def test_inference_shows_complementary_masks_in_one_batch() -> None:
    noisy = torch.rand(2, 3, 14, 10) + 0.5
    network = _Recorder()
    AsymmetricMask(masks=4).restore(network, noisy, _generator())
    (shown,) = network.shown
    shown = shown.reshape(4, 8, 3, 7, 5)  # (k, B·s², C, h, w)
    kept = shown != 0
    assert (kept.sum(0) == 3).all()
    assert torch.equal(shown, split_batch(noisy, 2) * kept)


# -- what comes of it ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 15),
    width=st.integers(1, 15),
    stride=st.integers(1, 4),
    masks=st.integers(2, 5),
    at_once=st.integers(1, 5),
    full=st.booleans(),
)
def test_the_result_is_a_partition_of_the_branches_outputs(
    height: int, width: int, stride: int, masks: int, at_once: int, full: bool
) -> None:
    noisy = torch.rand(2, 3, height, width) + 0.5
    scheme, network = AsymmetricMask(infer_stride=stride, masks=masks), _Recorder()
    stride = 1 if full else stride
    before = multi_mask.MAX_BATCH_PIXELS
    multi_mask.MAX_BATCH_PIXELS = {"other": at_once * split_batch(noisy[:, :1], stride).numel()}
    try:
        result = (scheme.refine if full else scheme.restore)(network, noisy, _generator())
    finally:
        multi_mask.MAX_BATCH_PIXELS = before
    assert len(network.shown) == -(-masks // at_once)
    assert result.shape == noisy.shape
    used = torch.zeros_like(noisy)
    for shown, given_back in zip(network.shown, network.results, strict=True):
        for branch_shown, branch in zip(shown.split(2 * stride**2), given_back.split(2 * stride**2), strict=True):
            hidden = merge_batch(branch_shown, stride, size=(height, width)) == 0
            output = merge_batch(branch, stride, size=(height, width))
            assert torch.equal(result[hidden], output[hidden])
            used += hidden
    assert (used == 1).all()


@pytest.mark.parametrize("full", [False, True])
def test_large_components_run_one_by_one_with_the_same_result(monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    noisy = torch.rand(2, 3, 9, 14)
    scheme, sizes = AsymmetricMask(masks=3, overlap=2), []

    def network(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.cumsum(-1) + x.flip(-2)

    together = (scheme.refine if full else scheme.restore)(network, noisy, _generator())
    monkeypatch.setattr(multi_mask, "MAX_BATCH_PIXELS", {"other": 1})
    alone = (scheme.refine if full else scheme.restore)(network, noisy, _generator())
    images = 2 if full else 8
    assert sizes == [3 * images] + [1] * (3 * images)
    assert torch.equal(alone, together)


def test_what_the_network_holds_of_large_tiles_is_no_more_than_one_component_of_one_branch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multi_mask, "MAX_BATCH_PIXELS", {"other": 100})
    scheme, here = AsymmetricMask(masks=2), torch.device("cpu")
    assert pixels_at_work(scheme, 40, here, by_parts=False, refined=False) == 40
    assert pixels_at_work(scheme, 80, here, by_parts=False, refined=False) == 50
    assert pixels_at_work(scheme, 800, here, by_parts=True, refined=False) == 100
    assert pixels_at_work(scheme, 800, here, by_parts=True, refined=True) == 400


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 11), width=st.integers(1, 11), at_once=st.integers(1, 5), full=st.booleans(), data=st.data())
def test_a_pixel_that_several_branches_hide_is_the_mean_of_theirs(
    height: int, width: int, at_once: int, full: bool, data: st.DataObject
) -> None:
    masks = data.draw(st.integers(2, 6))
    overlap = data.draw(st.integers(1, masks - 1))
    noisy = torch.rand(2, 3, height, width, dtype=torch.float64) + 0.5
    scheme, network = AsymmetricMask(masks=masks, overlap=overlap), _Recorder()
    stride = 1 if full else scheme.infer_stride
    before = multi_mask.MAX_BATCH_PIXELS
    multi_mask.MAX_BATCH_PIXELS = {"other": at_once * split_batch(noisy[:, :1], stride).numel()}
    try:
        result = (scheme.refine if full else scheme.restore)(network, noisy, _generator())
    finally:
        multi_mask.MAX_BATCH_PIXELS = before
    hidden, outputs = [], []
    for shown, given_back in zip(network.shown, network.results, strict=True):
        hidden += [merge_batch(branch, stride, size=(height, width)) == 0 for branch in shown.split(2 * stride**2)]
        outputs += [merge_batch(branch, stride, size=(height, width)) for branch in given_back.split(2 * stride**2)]
    assert (torch.stack(hidden).sum(0) == overlap).all()
    mean = (torch.stack(outputs) * torch.stack(hidden)).sum(0) / overlap
    assert torch.allclose(result, mean, rtol=1e-12)


@given(masks=st.integers(2, 6), data=st.data())
def test_overlapping_branches_hide_a_share_of_overlap_by_masks(masks: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, masks - 1))
    network = _Recorder()
    AsymmetricMask(masks=masks, overlap=overlap).restore(network, torch.rand(1, 3, 120, 120) + 0.5)
    hidden = torch.cat(network.shown) == 0
    assert hidden.double().mean().item() == pytest.approx(overlap / masks, abs=1e-9)
    assert (hidden.reshape(masks, -1).double().mean(1) - overlap / masks).abs().max() < 0.03


def test_what_a_branch_says_of_shown_pixels_does_not_count() -> None:
    """Not even where it is no number."""
    noisy = torch.rand(1, 3, 20, 20) + 0.5
    network = lambda x: torch.where(x == 0, 0.25, torch.nan)  # noqa: E731
    scheme = AsymmetricMask(masks=3, overlap=2)
    assert (scheme.restore(network, noisy) == 0.25).all()
    assert (scheme.refine(network, noisy) == 0.25).all()
    assert scheme.loss(network, noisy).isfinite()


@pytest.mark.parametrize("kind", BOTH)
@given(height=st.integers(1, 12), width=st.integers(1, 12), stride=st.integers(1, 6), masks=st.integers(2, 4))
def test_any_size(kind: type[MultiMask], height: int, width: int, stride: int, masks: int) -> None:
    network = DnCNN(features=2, layers=2)
    noisy = torch.rand(2, 3, height, width)
    scheme = kind(train_stride=stride, infer_stride=stride, masks=masks)
    for result in (scheme.restore(network, noisy), scheme.refine(network, noisy)):
        assert result.shape == noisy.shape
        assert result.isfinite().all()
    assert scheme.loss(network, noisy).isfinite()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (3, 9)])
def test_any_denoiser_at_any_size(name: str, size: tuple[int, int]) -> None:
    """Components of a few pixels, which a network that pools has to pad by itself, in training and inference."""
    network = denoisers.create(name, **SMALL[name])
    noisy = torch.rand(1, 3, *size) * network.value_range[1]
    AsymmetricMaskTV(train_stride=2).loss(network, noisy).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)
    with torch.no_grad():
        assert AsymmetricMask(train_stride=2).loss(network, noisy).isfinite()
        assert AsymmetricMask().restore(network.eval(), noisy).shape == noisy.shape


@pytest.mark.parametrize("kind", BOTH)
def test_only_the_generator_decides(kind: type[MultiMask]) -> None:
    noisy, network = torch.rand(1, 3, 20, 25), DnCNN(**SMALL["dncnn"]).eval()
    scheme = kind()
    for run in (scheme.restore, scheme.refine, scheme.loss):
        first = run(network, noisy, _generator(3))
        torch.rand(7)  # the global generator is no part of it
        assert torch.equal(first, run(network, noisy, _generator(3)))
        assert not torch.equal(first, run(network, noisy, _generator(4)))
        assert torch.equal(run(network, noisy), run(network, noisy, _generator(0)))
        generator = _generator(3)
        assert not torch.equal(run(network, noisy, generator), run(network, noisy, generator))


def test_partitions_are_averaged() -> None:
    noisy, network = torch.rand(1, 3, 21, 18), DnCNN(**SMALL["dncnn"]).eval()
    generator = _generator()
    single = [AsymmetricMask().restore(network, noisy, generator) for _ in range(5)]
    average = AsymmetricMask(partitions=5).restore(network, noisy, _generator())
    assert torch.allclose(average, torch.stack(single).mean(0), atol=1e-6)
    assert not torch.allclose(average, single[0], atol=1e-3)


def test_variants_restore_alike() -> None:
    noisy, network = torch.rand(1, 3, 21, 18), DnCNN(**SMALL["dncnn"]).eval()
    b, p = AsymmetricMask(masks=3, overlap=2, partitions=2), AsymmetricMaskTV(masks=3, overlap=2, partitions=2)
    assert torch.equal(b.restore(network, noisy, _generator()), p.restore(network, noisy, _generator()))
    assert torch.equal(b.refine(network, noisy, _generator()), p.refine(network, noisy, _generator()))


# -- the loss -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 23), width=st.integers(1, 23), keep=st.sampled_from([0.1, 0.5, 0.9]), seed=st.integers(0, 99))
def test_the_loss_counts_hidden_pixels_alone(height: int, width: int, keep: float, seed: int) -> None:
    """Each value by its own distance, so that a wrong choice or a wrong divisor cannot hide; PD's padding does not count."""
    noisy = torch.rand(2, 3, height, width, dtype=torch.float64) + 0.5
    network = _Recorder()
    loss = AsymmetricMask(keep=keep).loss(network, noisy, _generator(seed))
    hidden = merge_batch(network.shown[0], 5, size=(height, width)) == 0
    distance = (merge_batch(network.results[0], 5, size=(height, width)) - noisy).abs()
    assert loss.item() == pytest.approx(distance[hidden].mean().item() if hidden.any() else 0.0, rel=1e-12)


def test_kept_pixels_get_no_gradient() -> None:
    noisy = torch.rand(1, 3, 20, 20) + 0.5
    outputs: list[tuple[Tensor, Tensor]] = []

    def network(x: Tensor) -> Tensor:
        result = (x * 2).requires_grad_()
        outputs.append((x, result))
        return result

    AsymmetricMask().loss(network, noisy, _generator()).backward()
    ((shown, result),) = outputs
    assert result.grad is not None
    assert torch.equal(result.grad != 0, shown == 0)


def test_an_identity_network_does_not_get_away_with_it() -> None:
    """Under AP-BSN's loss the identity is perfect; here it pays for every pixel that it was not shown."""
    noisy = torch.rand(1, 3, 40, 40) + 0.5
    assert AsymmetricMask().loss(lambda x: x, noisy).item() == pytest.approx(1.0, abs=0.05)
    assert AsymmetricMaskTV(weight=0).loss(lambda x: x, noisy).item() == pytest.approx(noisy.mean().item(), rel=1e-5)


# -- beside the paper ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
def test_refinement_runs_the_masks_without_pd_and_draws_by_pixel(kind: type[MultiMask]) -> None:
    noisy, estimate = torch.rand(2, 3, 30, 24) + 2, torch.rand(2, 3, 30, 24) + 1
    scheme, network, generator = kind(masks=3), _Recorder(), _generator()
    result = R3(draws=4)(lambda mixed: scheme.refine(network, mixed, generator), noisy, estimate, scheme.replacement, generator)
    assert result.shape == noisy.shape
    assert len(network.shown) == 4
    for shown in network.shown:
        branches = shown.reshape(3, 2, 3, 30, 24)  # (k, B, C, H, W)
        mixed = branches.amax(0)  # each pixel is shown to two of the three
        from_noisy = mixed >= 2
        assert (from_noisy == from_noisy[:, :1]).all()
        assert 0.1 < from_noisy.double().mean() < 0.22
        assert torch.equal(mixed, torch.where(from_noisy, noisy, estimate))
    assert not torch.equal(network.shown[0] == 0, network.shown[1] == 0)


@pytest.mark.parametrize("stride", [2, 3])
def test_tiled_and_whole_agree_with_a_checkerboard(stride: int) -> None:
    """Tiles of a side that the stride does not divide are cut at its multiples all the same."""
    torch.manual_seed(0)
    network = DnCNN(**SMALL["dncnn"])
    scheme = AsymmetricMask(checkerboard=True, infer_stride=stride)
    noisy = torch.rand(1, 3, 75, 58)
    for refinement in (None, R3(draws=1, probability=1e-9)):
        whole = Pipeline(network, scheme, InferenceSettings(precision="float32", refinement=refinement)).restore(noisy)
        tiled = Pipeline(
            network, scheme, InferenceSettings(precision="float32", refinement=refinement, tile=19 - stride)
        ).restore(noisy)
        assert (whole - tiled).abs().max() < 1e-5


def test_reach_is_what_restore_sees() -> None:
    network = wide_open(DnCNN(**SMALL["dncnn"])).eval()
    scheme = AsymmetricMask(infer_stride=3, checkerboard=True)
    noisy = torch.rand(1, 3, 41, 41, dtype=torch.float64, requires_grad=True)
    farthest = 0
    for row in range(18, 24):
        for column in range(18, 24):
            (gradient,) = torch.autograd.grad(scheme.restore(network, noisy)[..., row, column].sum(), noisy)
            rows, columns = gradient[0].abs().sum(0).nonzero(as_tuple=True)
            farthest = max(farthest, int((rows - row).abs().max()), int((columns - column).abs().max()))
    assert farthest == scheme.restore_radius(network.receptive_field_radius) == 12
