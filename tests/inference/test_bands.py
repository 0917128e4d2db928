"""Bands cover a picture once, ramps add up to one, and tiles are halved when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from handmade import Affine
from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UnnoiseError
from unnoise.files import memory as files_memory
from unnoise.inference import bands, memory
from unnoise.inference.chain import Chain
from unnoise.inference.memory import free_memory, is_out_of_memory
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.regions import RegionSource
from unnoise.schemes.distillation import Distillation
from unnoise.schemes.pd_blind_spot import PDBlindSpot


class Unbounded(Affine):
    """Twice the picture, by a network that says it sees everything."""

    receptive_field_radius = None  # type: ignore[assignment]


class Hungry(DBSN):
    """Lacks the memory for more than `limit` pixels at a time."""

    limit = 0

    def forward_windows(self, x: Tensor, rows: Sequence[slice], columns: Sequence[slice]) -> Tensor:
        if x.shape[-1] * x.shape[-2] > self.limit:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …")
        return super().forward_windows(x, rows, columns)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 200), width=st.integers(1, 200), tile=st.integers(16, 120), unbounded=st.booleans())
def test_rows_come_once_in_order_and_tiles_add_up(height: int, width: int, tile: int, unbounded: bool) -> None:
    network = Unbounded(2.0) if unbounded else Affine(2.0)
    picture = torch.rand(1, 3, height, width)
    parts = list(
        bands.restore_bands(
            Chain(network, Distillation(), InferenceSettings(tile=tile, precision="float32")), [RegionSource.of(picture)]
        )
    )
    assert parts[0][0].start == 0
    assert parts[-1][0].stop == height
    assert all(one.stop == other.start for (one, _), (other, _) in pairwise(parts))
    assert torch.allclose(torch.cat([band for _, band in parts], 2), 2 * picture, atol=1e-6)


def test_neighbours_without_bound_pass_smoothly_into_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that differ by a constant each: no step is left where they meet."""
    count = iter(range(100))
    monkeypatch.setattr(Unbounded, "forward", lambda self, x: torch.full_like(x, next(count) % 2))
    result = Pipeline(Unbounded(), Distillation(), InferenceSettings(tile=70, precision="float32")).restore(
        torch.rand(1, 3, 200, 210)
    )
    assert {round(value) for value in result.unique().tolist()} == {0, 1}
    for axis in (2, 3):
        assert result.diff(dim=axis).abs().max() < 0.05


@pytest.mark.parametrize("limit", [150 * 150, 70 * 70])
def test_tiles_are_halved_until_they_fit(limit: int) -> None:
    torch.manual_seed(0)
    network, scheme = Hungry(features=4, modules=1), PDBlindSpot()
    picture = torch.rand(1, 3, 230, 190)
    network.limit = 10**9
    whole = Pipeline(network, scheme, InferenceSettings(precision="float32")).restore(picture)
    network.limit = limit
    seen: list[tuple[int, int]] = []
    result = Pipeline(network, scheme, InferenceSettings(precision="float32")).restore(
        picture, progress=lambda *at: seen.append(at)
    )
    assert (whole - result).abs().max() < 1e-5
    assert seen[-1][0] == seen[-1][1] > 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_too_little_for_the_smallest_tile_is_one_sentence() -> None:
    with pytest.raises(UnnoiseError, match="16 pixels"):
        Pipeline(Hungry(features=4, modules=1), PDBlindSpot(), InferenceSettings()).restore(torch.rand(1, 3, 100, 100))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    network = Affine()
    network.forward = lambda x: x[:, :, ::2] + x  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="size of tensor"):
        Pipeline(network, Distillation(), InferenceSettings()).restore(torch.rand(1, 3, 20, 20))


@pytest.mark.parametrize("ask", [lambda: torch.empty(2**50), lambda: np.empty(2**50)])
def test_what_libraries_raise_is_known(ask: Any) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as error:
        ask()
    assert is_out_of_memory(error.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_memory_of_this_machine_and_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    here = torch.device("cpu")
    assert 2**20 < free_memory(here) < 2**50
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1500000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    monkeypatch.setattr(files_memory, "CGROUP_FOLDER", tmp_path)
    assert free_memory(here) == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(here) > 2_000_000


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_each_nested_control_group_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    top, names = tmp_path, ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        top, names = tmp_path / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    monkeypatch.setattr(files_memory, "CGROUP_FOLDER", tmp_path)
    monkeypatch.setattr(files_memory, "OWN_CGROUPS", tmp_path / "own")
    (tmp_path / "own").write_text("0::/a/b\n" if version == 2 else "5:cpu,cpuacct:/\n4:memory:/a/b\n")
    limits = {"": 9_000_000, "a": 2_000_000, "a/b": 3_000_000}
    for inside, most in limits.items():
        (top / inside).mkdir(parents=True, exist_ok=True)
        for name, value in zip((*names[:2], "memory.stat"), (most, 500_000, f"{names[2]} 100000"), strict=True):
            (top / inside / name).write_text(f"{value}\n")
    assert free_memory(torch.device("cpu")) == 1_600_000
    (top / "a" / names[0]).write_text("max\n" if version == 2 else "9223372036854771712\n")
    assert free_memory(torch.device("cpu")) == 2_600_000


def test_an_error_of_the_library_without_a_reason_is_a_lack_of_memory_where_little_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for free, expected in ((2**30, True), (2**40, False)):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        assert memory.is_out_of_memory(RuntimeError("could not create a primitive")) is expected
    assert not memory.is_out_of_memory(RuntimeError("sizes do not match"))


def test_peak_counts_what_is_alive_at_one_time() -> None:
    x = torch.zeros(1000)

    def run() -> Tensor:
        y = x + 1  # 4000 bytes
        y = y * 2  # 8000 while both are there
        return y.reshape(10, 100)[:5]  # views cost nothing, nor does x, which was there before

    assert peak_bytes(run) == 8000


@pytest.mark.parametrize("name", ["dbsn", "dncnn"])
def test_bytes_per_pixel_grow_with_the_features(name: str) -> None:
    few, many = (
        Chain(
            denoisers.create(name, features=features), Distillation(), InferenceSettings(precision="float32")
        ).bytes_per_pixel()[0]
        for features in (8, 32)
    )
    assert 1.5 * few < many < 5 * few
