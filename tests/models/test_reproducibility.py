"""The same seed, picture and weights give the same result, in any order of files; thread counts change it by rounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import call
from small_denoisers import TINY
from unnoise import images, recipes
from unnoise.models.model import Model, fresh

SMALL = {
    "ap-bsn": {"denoiser.features": 4, "denoiser.modules": 1},
    "at-bsn": {"denoiser.width": 4},
    "tm-bsn": {"denoiser.features": 4, "denoiser.groups": 1, "denoiser.blocks": 1},
    "amsnet-p": {"denoiser": "dncnn"},
}
THREADS_MAY_CHANGE = 2e-6
"""Of the range from black to white: sums are split otherwise."""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _model(name: str) -> Model:
    torch.manual_seed(0)
    return fresh(recipes.load(name, SMALL[name]))


def _picture() -> np.ndarray:
    return np.random.default_rng(0).random((37, 45, 3)).astype(np.float32)


@pytest.mark.parametrize("name", SMALL)
def test_a_second_call_and_a_second_model_give_the_same_bits(name: str) -> None:
    torch.manual_seed(1)  # of others, which must not matter
    first = _model(name).denoise(_picture())
    torch.manual_seed(2)
    model = _model(name)
    np.random.default_rng().random(3)
    assert np.array_equal(model.denoise(_picture()), first)
    assert np.array_equal(model.denoise(_picture()), first)


@pytest.mark.parametrize("name", SMALL)
def test_the_number_of_threads_changes_rounding_at_most(name: str) -> None:
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(_model(name).denoise(_picture()))
    assert max(np.abs(other - results[0]).max() for other in results[1:]) <= THREADS_MAY_CHANGE


@pytest.mark.parametrize("name", [name for name in recipes.names() if not name.endswith("-quick")])
def test_every_method_gives_the_same_bits_again(name: str) -> None:
    """Also those that draw masks, or pixels, when they are applied."""
    denoiser = recipes.load(name).denoiser.name
    torch.manual_seed(0)
    model = fresh(recipes.load(name, {"denoiser": {"name": denoiser, **TINY[denoiser]}}))
    torch.set_num_threads(1)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        results.append(model.denoise(_picture()))
    assert not np.array_equal(results[0], _picture())
    assert np.array_equal(results[0], results[1])


def test_the_order_of_files_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    names = ["a.png", "b.png", "c.npy"]
    for name in names:
        images.write(tmp_path / name, images.Picture(rng.integers(60, 200, (24, 30, 3), np.uint8)))
    model = tmp_path / "m.safetensors"
    _model("ap-bsn").save(model)
    for out, order in (("one", names), ("two", names[::-1])):
        files = [tmp_path / name for name in order]
        answer = call(monkeypatch, capfd, "denoise", *files, "-o", tmp_path / out, "--model", model)
        assert answer.status == 0, answer.err
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
