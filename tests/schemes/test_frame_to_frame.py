"""Frame-to-frame training: the loss counts what is alike, in any range, and finds the mean of two noisy frames."""

from __future__ import annotations

import pytest
import torch

from unnoise import denoisers
from unnoise.schemes.frame_to_frame import FrameToFrame


def test_places_without_weight_do_not_count() -> None:
    frame, near = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    weight = torch.zeros(2, 1, 8, 8)
    weight[..., :4] = 1
    loss = FrameToFrame().loss(lambda x: x, torch.cat([frame, near, weight], 1))
    near[..., 4:] += 100
    torch.testing.assert_close(FrameToFrame().loss(lambda x: x, torch.cat([frame, near, weight], 1)), loss)
    torch.testing.assert_close(loss, (frame - near)[..., :4].square().mean())


def test_weights_are_given_in_the_range_of_the_network() -> None:
    network = denoisers.create("dbsn", features=4, modules=1, channels=1)
    low, high = network.value_range
    scheme = FrameToFrame().bind(lambda *_: pytest.fail("no teacher"), network)
    crops = torch.rand(1, 3, 8, 8)
    loss = scheme.loss(lambda x: x, low + (high - low) * crops)
    torch.testing.assert_close(loss, FrameToFrame().loss(lambda x: x, crops) * (high - low) ** 2, rtol=1e-4, atol=0)


def test_nothing_alike_gives_no_gradient() -> None:
    scale = torch.ones((), requires_grad=True)
    crops = torch.rand(1, 3, 8, 8)
    crops[:, 2] = 0
    FrameToFrame().loss(lambda x: scale * x, crops).backward()
    assert scale.grad is not None
    assert scale.grad.item() == 0


def test_the_minimum_is_the_scene_and_not_the_noise() -> None:
    source = torch.Generator().manual_seed(0)
    draws = 0.5 + 0.1 * torch.randn(64, 2, 16, 16, generator=source)
    crops = torch.cat([draws, torch.ones(64, 1, 16, 16)], 1)
    candidates = torch.linspace(0, 1, 11)  # of mixtures between the mean, at 0, and the noisy frame, at 1
    losses = [FrameToFrame().loss(lambda x, share=share: 0.5 + share * (x - 0.5), crops) for share in candidates]
    assert int(torch.stack(losses).argmin()) == 0
