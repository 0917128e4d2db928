"""Weights that are kept with their network: ready when they are wanted, gone when they have changed or nobody needs them."""

from __future__ import annotations

import copy
import gc
import sys
import weakref
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from reference import relative_error
from unnoise.layers import fused_convolution as fused
from unnoise.layers import weight_cache
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.weight_cache import cached_weights


def test_weights_are_kept_for_a_while_alone() -> None:
    layer, x = nn.Conv2d(2, 2, 1), torch.randn(1, 2, 3, 3)

    def result() -> Tensor:
        with torch.no_grad():
            return convolve(layer, x)

    with cached_weights():
        first = result()
    with torch.no_grad():
        layer.weight.zero_()
    assert not torch.equal(result(), first)
    with cached_weights():
        assert not torch.equal(result(), first)


def test_a_network_keeps_its_weights_until_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)).eval()
    made = []
    true = fused.effective_weights
    monkeypatch.setattr(fused, "effective_weights", lambda layer: made.append(layer) or true(layer))
    x = torch.randn(1, 2, 3, 3)

    def result() -> Tensor:
        network.to(memory_format=torch.channels_last)  # as `inference` does for each picture
        with torch.inference_mode(), cached_weights(network):
            return convolve(network[0], x)

    first = result()
    assert torch.equal(result(), first)
    assert len(made) == 1
    copied = copy.deepcopy(network)
    changes = [
        lambda: network.load_state_dict({key: 2 * value for key, value in network.state_dict().items()}),
        lambda: network[0].weight.detach().zero_(),
        lambda: setattr(network[0], "weight", nn.Parameter(torch.ones(2, 2, 1, 1))),
        lambda: network[1].running_var.add_(1),
    ]
    for count, change in enumerate(changes, start=2):
        with torch.no_grad():
            change()
        expected = network[0](x).detach()
        torch.testing.assert_close(result(), expected)
        assert len(made) == count
    with torch.inference_mode(), cached_weights(copied):
        assert torch.equal(convolve(copied[0], x), first)


def test_a_network_that_is_gone_leaves_no_weights_behind() -> None:
    network = nn.Conv2d(2, 2, 1)
    with torch.inference_mode(), cached_weights(network):
        convolve(network, torch.randn(1, 2, 3, 3))
    weight = weakref.ref(network.weight)
    del network
    gc.collect()
    assert weight() is None


def test_packed_weights_serve_pictures_of_any_size() -> None:
    layer = nn.Conv2d(32, 32, 3, padding=1)
    with torch.inference_mode(), cached_weights(layer):
        for side in (4, 64, 5, 33):
            x = torch.randn(1, 32, side, side)
            torch.testing.assert_close(convolve(layer, x), layer(x), atol=1e-5, rtol=1e-4)


def test_each_shape_has_its_own_order_of_the_weights_and_few_are_kept() -> None:
    """One that was found for another shape is put right at each call, in a hundred times the time of the convolution."""
    layer = nn.Conv2d(16, 32, 3, padding=1)
    shapes = [(1, 8, 8), (2, 8, 8), (1, 16, 8), (4, 32, 16), (1, 9, 5), (8, 8, 8)]
    with torch.no_grad(), cached_weights(layer):
        for batch, height, width in [*shapes, *reversed(shapes)]:
            x = torch.randn(batch, 16, height, width)
            assert relative_error(convolve(layer, x), layer(x)) < 1e-5
        kept = weight_cache._active.get()
        assert kept is not None
        (_, made), *others = kept.by_kernel.values()
        assert not others
        forms = made["layouts"]
        assert len(forms) == weight_cache.MAX_LAYOUTS
        assert list(forms)[-1] == (1, 16, 8, 8)


def test_many_threads_share_the_layouts_of_a_kernel() -> None:
    """A layout that one thread has just made may be taken away by others before it is used."""
    layouts: dict[Hashable, torch.Tensor] = {}

    def use(first: int) -> bool:
        return all(
            weight_cache.get_or_make_layout(layouts, key % 7, lambda key=key: torch.tensor(key % 7), most=2).item() == key % 7
            for key in range(first, first + 3000)
        )

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(use, range(8)))
    finally:
        sys.setswitchinterval(before)
    assert len(layouts) == 2
