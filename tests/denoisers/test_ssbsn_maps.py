"""The similarity maps of SS-BSN, and the figure of them."""

from __future__ import annotations

import types
from itertools import pairwise

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.patches import Circle

from unnoise.denoisers.dbsn import DBSN
from unnoise.denoisers.ssbsn import SSBSN, plot_similarity, similarity_map
from unnoise.errors import UsageError


@pytest.fixture
def network() -> SSBSN:
    torch.manual_seed(0)
    return SSBSN(features=8, modules=3, attention_modules=2)


def test_one_map_for_each_block_over_its_grid(network: SSBSN) -> None:
    image = torch.rand(3, 30, 25) * 255
    maps = similarity_map(network, image, (17, 9))
    assert list(maps) == ["branch1.body.7", "branch1.body.8", "branch2.body.7", "branch2.body.8"]
    for name, seen in maps.items():
        grid = 4 if name.startswith("branch1") else 6
        rows, columns = torch.meshgrid(torch.arange(30), torch.arange(25), indexing="ij")
        assert torch.equal(seen.isfinite(), ((rows - 17) % grid == 0) & ((columns - 9) % grid == 0))
        assert seen[17, 9] == pytest.approx(1, abs=1e-5)
        assert seen[seen.isfinite()].abs().max() <= 1 + 1e-5


def test_similarity_is_mutual(network: SSBSN) -> None:
    image = torch.rand(3, 30, 25) * 255
    here, there = similarity_map(network, image, (5, 9)), similarity_map(network, image, (17, 21))
    for name in here:
        assert here[name][17, 21] == pytest.approx(there[name][5, 9].item(), abs=1e-5)


def test_repeated_pixels_are_the_most_similar(network: SSBSN) -> None:
    """In a picture of period 12 the pixels 12 apart are alike, away from the edges, and those in between are not."""
    image = (torch.rand(3, 12, 12) * 255).tile(7, 7)
    for seen in similarity_map(network, image, (42, 42)).values():
        assert seen[54, 42] == pytest.approx(1, abs=1e-4)
        inner = seen[30:55, 30:55]
        assert inner[inner.isfinite()].min() < 0.999


def test_a_model_and_its_network_agree(network: SSBSN) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    of_model = similarity_map(types.SimpleNamespace(network=network), image, (3, 4))
    of_network = similarity_map(network, torch.from_numpy(image).permute(2, 0, 1)[None].float(), (3, 4))
    for name, seen in of_model.items():
        torch.testing.assert_close(seen, of_network[name], equal_nan=True, atol=1e-4, rtol=0)


def test_leaves_the_network_as_it_was(network: SSBSN) -> None:
    similarity_map(network, torch.rand(3, 12, 12), (0, 0))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_figure_has_yellow_circles_and_a_red_one(network: SSBSN) -> None:
    figure = plot_similarity(network, torch.rand(3, 40, 40) * 255, (20, 12), count=7)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 1 + 4
    for axes in drawn:
        circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
        colours = [matplotlib.colors.to_hex(circle.get_edgecolor()) for circle in circles]
        yellow = [circle for circle, colour in zip(circles, colours, strict=True) if colour == "#ffff00"]
        assert len(yellow) == (7 if axes is not drawn[0] else 0)
        assert all(before.radius >= after.radius for before, after in pairwise(yellow))
        assert [circle.center for circle, colour in zip(circles, colours, strict=True) if colour == "#ff0000"] == [(12, 20)]


def test_circles_lie_on_the_most_similar_pixels(network: SSBSN) -> None:
    image = torch.rand(3, 40, 40) * 255
    figure = plot_similarity(network, image, (20, 12), count=5)
    seen = similarity_map(network, image, (20, 12))["branch1.body.7"]
    seen[20, 12] = -2
    places = seen.nan_to_num(-2).flatten().topk(5).indices
    expected = {(int(place) % 40, int(place) // 40) for place in places}
    first = next(axes for axes in figure.axes if axes.get_title() == "branch1, SS-Block 1")
    assert {patch.center for patch in first.patches[:-1]} == expected


def test_few_pixels_give_few_circles(network: SSBSN) -> None:
    plot_similarity(network, torch.rand(3, 2, 2) * 255, (0, 0))


@pytest.mark.parametrize(
    ("image", "pixel", "message"),
    [
        (torch.rand(3, 9, 9), (9, 0), "outside"),
        (torch.rand(3, 9, 9), (0, -1), "outside"),
        (torch.rand(2, 3, 9, 9), (0, 0), "one image"),
        (torch.rand(5, 9, 9), (0, 0), "3 channels"),
    ],
)
def test_impossible_calls_are_refused(network: SSBSN, image: torch.Tensor, pixel: tuple[int, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        similarity_map(network, image, pixel)


def test_networks_without_attention_are_refused() -> None:
    for other in (DBSN(features=4, modules=1), SSBSN(features=4, modules=1, attention_modules=0)):
        with pytest.raises(UsageError, match="no SS-Blocks"):
            similarity_map(other, torch.rand(3, 9, 9), (0, 0))
