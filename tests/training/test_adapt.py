"""Adapting: never worse by the criterion, the scheme's own training, held-out parts, and what cannot adapt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise import images, recipes
from unnoise.errors import UsageError
from unnoise.models.model import Model, fresh
from unnoise.training import adapt as adaptation
from unnoise.training.adapt import adapt, is_significantly_lower, parse_length

TINY = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 1, "infer_stride": 1},
    "training": {"crop": 24, "batch": 2, "learning_rate": 1e-2},
}


def _model(**changes: Any) -> Model:
    torch.manual_seed(0)
    return fresh(recipes.validate(TINY | changes, "tiny"))


def _noisy(count: int, side: int = 96) -> list[np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    ramp = np.linspace(60, 180, side)[None, :, None]
    return [np.clip(ramp + draw.normal(0, 15, (side, side, 3)), 0, 255).astype(np.uint8) for _ in range(count)]


def test_a_model_that_knows_little_gets_better_and_keeps_its_recipe() -> None:
    model = _model()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    told: list[float] = []
    adapted = adapt(model, _noisy(1), steps=40, device="cpu", progress=lambda status: told.append(status.share))
    assert adapted.rounds >= 1
    assert adapted.change < 0
    assert adapted.model.recipe == model.recipe
    clean = np.broadcast_to(np.linspace(60, 180, 96)[None, :, None], (96, 96, 3)) / 255
    errors = [np.mean((each.denoise(_noisy(1)[0] / 255) - clean) ** 2) for each in (model, adapted.model)]
    assert errors[1] < errors[0]
    assert all(torch.equal(before[key], value) for key, value in model.network.state_dict().items())
    assert told == sorted(told)
    assert 0 < told[-1] <= 1


def test_what_gets_worse_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "LEARNING_RATE_FACTOR", 1e3)  # a rate that ruins any network
    model = _model(training={"crop": 24, "batch": 2, "learning_rate": 1.0})
    for parameter in model.network.parameters():
        torch.nn.init.zeros_(parameter)
    adapted = adapt(model, _noisy(1), steps=4, device="cpu")
    assert adapted.rounds == 0
    assert adapted.model is model
    assert adapted.change == 0
    assert "stays as it was" in adapted.sentence()


@pytest.mark.parametrize(("count", "held"), [(1, 1), (3, 3), (5, 1), (14, 6)])
def test_nothing_that_is_held_out_is_learned_from(monkeypatch: pytest.MonkeyPatch, count: int, held: int) -> None:
    pictures = [np.full((60, 40), 2 * number, np.uint8) for number in range(count)]
    for picture in pictures:
        picture[24:36] += 1  # the middle fifth
    learning, out = adaptation._hold_out(pictures, lambda sentence: None)
    assert len(out) == held
    if count < adaptation.MIN_PICTURES_TO_HOLD_OUT:
        assert all((part == 2 * number + 1)[4:-4].all() for number, part in enumerate(out))
        assert sum(part.shape[0] for part in learning) + sum(part.shape[0] for part in out) == 60 * count
    else:
        assert not {int(part[0, 0]) for part in learning} & {int(part[0, 0]) for part in out}
        assert len(learning) + len(out) == count


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 70, 3)])
def test_tiny_pictures_can_be_divided(shape: tuple[int, ...]) -> None:
    learning, held = adaptation._hold_out([np.zeros(shape, np.uint8)], lambda sentence: None)
    assert learning
    assert held
    assert all(0 not in part.shape for part in [*learning, *held])


def test_bad_files_are_named_and_passed_over(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", images.Picture(_noisy(1)[0]))
    (tmp_path / "b.png").write_bytes(b"no picture")
    told: list[str] = []
    learning, held = adaptation._hold_out(tmp_path, told.append)
    assert len(held) == 1
    assert len(learning) == 2
    assert len(told) == 1
    assert "b.png" in told[0]


@pytest.mark.parametrize("count", [1, 3, 40])
def test_teachers_are_shown_so_many_pixels_at_most(count: int) -> None:
    pictures = [np.zeros((1700, 2100), np.uint8)] * count
    shown = adaptation._crop_middles(pictures, lambda sentence: None)
    assert len(shown) == count
    assert sum(picture.size for picture in shown) <= max(
        adaptation.MAX_TEACHER_PIXELS, count * adaptation.MIN_TEACHER_SIDE_PIXELS**2
    )
    assert min(picture.size for picture in shown) >= min(
        adaptation.MIN_TEACHER_SIDE_PIXELS**2, adaptation.MAX_TEACHER_PIXELS // count
    )


def test_a_student_without_its_teacher_names_models_that_can() -> None:
    student = _model(scheme="distillation")
    with pytest.raises(UsageError, match=r"ap-bsn|default"):
        adapt(student, _noisy(1), steps=1)


def test_a_student_learns_on_from_the_teacher_that_its_recipe_names(tmp_path: Path) -> None:
    _model().save(tmp_path / "teacher.safetensors")
    student = _model(scheme={"name": "distillation", "teachers": [str(tmp_path / "teacher.safetensors")], "cache": True})
    assert adapt(student, _noisy(1), steps=2, device="cpu").change <= 0


@pytest.mark.parametrize(("text", "length"), [("200", {"steps": 200}), ("3m", {"minutes": 3.0}), ("0.5m", {"minutes": 0.5})])
def test_lengths_are_read(text: str, length: dict[str, Any]) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "m", "0", "-3", "nanm", "infm", "0m", "3h", "2.5"])
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--adapt"):
        parse_length(text)


@given(st.integers(0, 10**6), st.integers(20, 200), st.floats(0, 0.02))
def test_chance_alone_is_no_gain(seed: int, blocks: int, shift: float) -> None:
    """Risks that differ from block to block as much as by chance do not count, what all blocks share does."""
    draw = torch.Generator().manual_seed(seed)
    others = torch.rand(blocks, generator=draw)
    spread = torch.randn(blocks, generator=draw)
    spread = (spread - spread.mean()) / spread.std()
    assert not is_significantly_lower(others, others)
    assert not is_significantly_lower(others + spread - 1.9 / blocks**0.5, others)
    assert is_significantly_lower(others + spread - 2.1 / blocks**0.5 - shift, others)
    assert is_significantly_lower(others - 0.5, others)
    assert not is_significantly_lower(others + shift, others)
