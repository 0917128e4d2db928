"""Tiles are as large as memory and halo allow, and cover a picture once."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handmade import Affine
from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UnnoiseError
from unnoise.inference import tiling
from unnoise.inference.chain import Chain
from unnoise.inference.halo import UNBOUNDED_HALO_PIXELS
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.tiling import Tiling, even_side, sides_for
from unnoise.schemes.asymmetric_mask import AsymmetricMask
from unnoise.schemes.base import Scheme
from unnoise.schemes.distillation import Distillation
from unnoise.schemes.pd_blind_spot import PDBlindSpot


def test_less_free_memory_means_smaller_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(DBSN(features=32, modules=2), PDBlindSpot(), InferenceSettings(precision="float32"))
    sides = []
    for free in (2**40, 2**30, 2**27, 2**24, 0):
        monkeypatch.setattr(tiling, "free_memory", lambda device, free=free: free)
        height, width = sides_for(chain, (6000, 4000))
        assert height == width
        sides.append(height)
    assert sides == sorted(sides, reverse=True)
    assert sides[0] > 4 * sides[-1]
    assert sides[-1] == tiling.MIN_TILE_PIXELS


def test_who_sees_too_far_for_tiles_is_applied_like_one_who_sees_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeamNet sees 719 pixels: exact tiles of AMSNet's components would be 16 pixels in 2,892, of which none fits into memory."""
    monkeypatch.setattr(tiling, "free_memory", lambda device: 16 * 2**30)
    monkeypatch.setattr(Chain, "bytes_per_pixel", lambda chain: (5000.0, 5000.0))
    chain = Chain(denoisers.create("deamnet", features=4), AsymmetricMask(), InferenceSettings(precision="float32"))
    assert not chain.is_finite
    assert chain.halo == 2 * UNBOUNDED_HALO_PIXELS
    assert min(sides_for(chain, (6000, 4000))) > 4 * chain.halo


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(600, 9000), st.integers(600, 9000)),
    needed=st.floats(100, 20_000),
    free=st.integers(2**28, 2**35),
)
def test_who_sees_without_bound_reads_as_little_as_fits(size: tuple[int, int], needed: float, free: int) -> None:
    """Of all ways to cut the picture, tried one by one."""
    chain = Chain(
        denoisers.create("nafnet", width=2, encoder_blocks=[1], decoder_blocks=[1]), Distillation(), InferenceSettings()
    )
    around = 2 * (chain.halo + tiling.RAMP_PIXELS)
    usable = tiling.FREE_MEMORY_SHARE * free

    def cut(count: tuple[int, int]) -> tuple[int, int]:
        return -(-size[0] // count[0]), -(-size[1] // count[1])

    def read(*count: int) -> int:
        return math.prod(length + (own - 1) * around for length, own in zip(size, count, strict=True))

    def fits(core: tuple[int, int]) -> bool:
        shown = math.prod(min(own + around, length) for own, length in zip(core, size, strict=True)) * needed
        return shown <= min(
            usable, (tiling.MAX_TILE_BYTES if math.prod(core) <= tiling.LARGE_TILE_PIXELS else tiling.AMPLE_BYTES)["cpu"]
        )

    assume(fits((128, 128)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "free_memory", lambda device: free)
        patch.setattr(Chain, "bytes_per_pixel", lambda chain: (needed, needed))
        chosen = sides_for(chain, size)
    assert fits(chosen)
    others = [count for count in itertools.product(range(1, 80), repeat=2) if fits(cut(count))]
    assert read(*(-(-length // own) for length, own in zip(size, chosen, strict=True))) <= min(read(*count) for count in others)


@pytest.mark.parametrize("size", [(1, 400_000), (400_000, 1), (15, 40_000)])
def test_stripes_are_cut_too(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(
        denoisers.create("nafnet", width=2, encoder_blocks=[1], decoder_blocks=[1]), Distillation(), InferenceSettings()
    )
    monkeypatch.setattr(Chain, "bytes_per_pixel", lambda chain: (1000.0, 1000.0))
    for free in (2**40, 2**24):
        monkeypatch.setattr(tiling, "free_memory", lambda device, free=free: free)
        height, width = sides_for(chain, size)
        assert (height, width) == size if free == 2**40 else height * width < math.prod(size)


@pytest.mark.parametrize("scheme", [PDBlindSpot(), AsymmetricMask()], ids=["windows", "components"])
def test_what_runs_one_by_one_makes_larger_tiles(scheme: Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "free_memory", lambda device: 4 * 2**30)
    monkeypatch.setattr(Chain, "bytes_per_pixel", lambda chain: (3000.0, 3000.0))
    network = DBSN(features=4, modules=9)
    sides = [sides_for(Chain(network, each, InferenceSettings()), (6000, 4000))[0] for each in (scheme, Distillation())]
    assert sides[0] > 1.3 * sides[1]


@settings(max_examples=100)
@given(length=st.integers(1, 5000), most=st.integers(16, 600), least=st.integers(1, 16))
def test_tiles_are_as_few_as_can_be_and_of_about_one_size(length: int, most: int, least: int) -> None:
    side = even_side(length, most, least)
    count = -(-length // side)
    assert least <= side <= max(most, least)
    assert count == -(-length // most) or side == least
    assert count * side - length < count or side == least


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    tile=st.integers(16, 200),
    stride=st.sampled_from([1, 5]),
    halve=st.booleans(),
)
def test_tiles_cover_the_picture_once(size: tuple[int, int], tile: int, stride: int, halve: bool) -> None:
    """In bands from top to bottom, as many as were told, halved or not on the way."""
    tiles = Tiling(Chain(Affine(), PDBlindSpot(infer_stride=stride), InferenceSettings(tile=tile)), size)
    covered = torch.zeros(size, dtype=torch.int32)
    top = 0
    while top < size[0]:
        band = tiles.band(top)
        assert tiles.remaining(top) % len(band) == 0
        assert (tiles.remaining(top) == len(band)) == (band[0][0].stop == size[0])
        assert band[0][0].start == top
        for rows, columns in band:
            assert rows.start % stride == columns.start % stride == 0
            covered[rows, columns] += 1
        top = band[0][0].stop
        if halve and min(tiles.max_core) >= 2 * tiling.MIN_TILE_PIXELS + stride:
            tiles.halve()
            halve = False
    assert (covered == 1).all()


def test_halving_ends_with_a_sentence() -> None:
    tiles = Tiling(Chain(Affine(), Distillation(), InferenceSettings(tile=64)), (100, 100))
    tiles.halve()
    tiles.halve()
    assert tiles.max_core == (tiling.MIN_TILE_PIXELS, tiling.MIN_TILE_PIXELS)
    with pytest.raises(UnnoiseError, match="tiles of 16 pixels"):
        tiles.halve()


def test_a_picture_in_one_piece_keeps_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """And tiles of a large one as much as one of them takes, if there is that much."""
    chain = Chain(Affine(), Distillation(), InferenceSettings())
    monkeypatch.setattr(Chain, "bytes_per_pixel", lambda chain: (1000.0, 1000.0))
    monkeypatch.setattr(tiling, "free_memory", lambda device: 100 * 2**30)
    assert Tiling(chain, (100, 100)).reuses_large_blocks
    large = Tiling(chain, (5000, 5000))
    assert large.reuses_large_blocks
    assert large.retained_bytes >= 1000 * min(large.max_core[0], 5000) ** 2 * 0.5
    monkeypatch.setattr(tiling, "free_memory", lambda device: 2**29)
    assert not Tiling(chain, (5000, 5000)).reuses_large_blocks


@pytest.mark.parametrize("size", [(1, 2_000_000), (2_000_000, 1), (3, 70_000)])
def test_a_thin_picture_counts_as_large_as_the_network_pads_it(size: tuple[int, int]) -> None:
    network = denoisers.create("unet", channels=1, features=8)
    chain = Chain(network, Distillation(), InferenceSettings(precision="float32"))
    assert math.prod(size) * 30 > tiling.SINGLE_TILE_PIXELS  # or the whole would be one tile
    down, across = Tiling(chain, size).max_core
    padded = [max(min(side, most), 32) for side, most in zip(size, (down, across), strict=True)]
    assert chain.bytes_for(math.prod(padded), math.prod(padded), whole=False) <= tiling.AMPLE_BYTES["cpu"]


def test_the_rows_of_a_very_wide_picture_fit_into_memory() -> None:
    chain = Chain(denoisers.create("dncnn", channels=3, features=4, layers=3), PDBlindSpot(), InferenceSettings())
    down, across = sides_for(chain, (2000, 4_000_000))
    assert down * 4_000_000 * 3 * 4 <= tiling.BAND_BYTES < across * 4_000_000 * 3 * 4
