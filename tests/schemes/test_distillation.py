"""Distillation: what its loss is, the recharge, the student's start, and that a student needs no teacher once it is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from handmade import Affine, model_of
from unnoise import denoisers, load, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.models.model import Model
from unnoise.schemes.distillation import NEGLIGIBLE_ERROR, TYPICAL_ERROR, Distillation, recharge_targets
from unnoise.schemes.teachers import TeacherChoice
from unnoise.training.teachers import teacher_loader

LIST = "abcdef"


def _bound(teachers: list[Denoiser], student: Denoiser, **fields: object) -> Distillation:
    """The scheme with these networks as its teachers a, b, c …"""
    models = {name: model_of(network) for name, network in zip(LIST, teachers, strict=False)}
    return Distillation.model_validate({"teachers": list(models)} | fields).bind(teacher_loader(models.__getitem__), student)


@given(
    shifts=st.lists(st.floats(-1, 1), min_size=1, max_size=4),
    teaching=st.sampled_from([1.0, 255.0]),
    learning=st.sampled_from([1.0, 255.0]),
)
def test_loss_is_the_sum_of_the_mean_distances(shifts: list[float], teaching: float, learning: float) -> None:
    """In the student's values: a teacher that is off by d of its range is off by d of the student's."""
    student = Affine(values=(0.0, learning))
    teachers = [Affine(shift=shift * teaching, values=(0.0, teaching)) for shift in shifts]
    noisy = torch.rand(2, 3, 4, 5) * learning
    loss = _bound(list(teachers), student).loss(student, noisy)
    assert loss.item() == pytest.approx(learning * sum(abs(shift) for shift in shifts), rel=1e-4, abs=1e-4 * learning)


@given(white=st.sampled_from([1.0, 255.0]), loud=st.floats(0.05, 0.5))
def test_evenly_each_crop_counts_by_the_share_of_its_error(white: float, loud: float) -> None:
    """A tenth less error is worth about as much in a quiet crop as in a loud one; the plain loss would all but ignore it."""
    student = Affine(values=(0.0, white))
    errors = torch.tensor([0.01, loud])
    noisy = errors.reshape(2, 1, 1, 1).expand(2, 3, 4, 5) * white  # restored to nothing, it is wrong by itself
    noisy = noisy.clone().requires_grad_()
    plain, even = (_bound([Affine(factor=0.0, values=(0.0, white))], student, even=each) for each in (False, True))
    (gradient,) = torch.autograd.grad(even.loss(student, noisy), noisy)
    moves = (gradient * noisy).sum((1, 2, 3)).detach() / white  # what falling by the whole error is worth
    torch.testing.assert_close(moves, TYPICAL_ERROR * errors / (errors + NEGLIGIBLE_ERROR) / 2, rtol=1e-3, atol=1e-6)
    (gradient,) = torch.autograd.grad(plain.loss(student, noisy), noisy)
    assert (gradient * noisy).sum((1, 2, 3))[0] < 0.3 * (gradient * noisy).sum((1, 2, 3))[1]


def test_loss_against_many_holes() -> None:
    teacher, student = denoisers.create("atbsn", width=4), Affine(factor=0.5, values=(0.0, 255.0))
    noisy = torch.rand(2, 3, 9, 12) * 255
    holes = [0, 1, 3, 5, 7, 9, 11]
    loss = _bound([teacher], student, each={"holes": holes}).loss(student, noisy)
    with torch.no_grad():
        expected = sum((noisy / 2 - teacher(noisy, blind_spot=hole)).abs().mean().item() for hole in holes)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert student.factor.grad is not None


@given(shifts=st.lists(st.floats(-1, 1), min_size=1, max_size=4), recharge=st.booleans())
def test_targets_that_come_with_the_batch_give_the_same_loss(shifts: list[float], recharge: bool) -> None:
    student = Affine(shift=0.2)
    teachers: list[Denoiser] = [Affine(shift=shift) for shift in shifts]
    noisy = torch.rand(2, 3, 4, 5)
    direct = _bound(teachers, student, recharge=recharge)
    cached = _bound(teachers, student, recharge=recharge, cache=True)
    assert direct.auxiliary_targets is None
    assert cached.auxiliary_targets is not None
    targets = cached.auxiliary_targets(noisy, (0.0, 1.0))
    batch = torch.cat([noisy, *targets], dim=1)  # (B, (1 + K)·C, H, W)
    one = direct.loss(student, noisy, torch.Generator().manual_seed(3))
    other = cached.loss(student, batch, torch.Generator().manual_seed(3))
    assert one.item() == pytest.approx(other.item(), rel=1e-5, abs=1e-6)


@given(
    count=st.integers(1, 7), batch=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99)
)
def test_recharge_puts_each_pixel_into_exactly_one_target(count: int, batch: int, height: int, width: int, seed: int) -> None:
    noisy = torch.rand(batch, 3, height, width)
    targets = 2 + torch.rand(count, batch, 3, height, width)  # nowhere equal to the noisy image
    result = recharge_targets(targets, noisy, torch.Generator().manual_seed(seed))
    replaced = result != targets
    assert torch.equal(result[replaced], noisy.expand_as(targets)[replaced])
    assert torch.equal(replaced.sum(0), torch.ones(batch, 3, height, width, dtype=torch.long))
    assert torch.equal(replaced, replaced[:, :, :1].expand_as(replaced))  # all channels together
    assert torch.equal(result, recharge_targets(targets, noisy, torch.Generator().manual_seed(seed)))


def test_recharge_draws_all_targets_alike() -> None:
    noisy, targets = torch.zeros(1, 1, 200, 200), torch.ones(5, 1, 1, 200, 200)
    shares = 1 - recharge_targets(targets, noisy).mean((1, 2, 3, 4))
    assert torch.allclose(shares, torch.full((5,), 0.2), atol=0.01)


def test_recharge_in_the_loss() -> None:
    """A student that copies its input is right where the noisy pixel stands, and off by 1 in the other K − 1 of K targets."""
    student = Affine()
    teachers: list[Denoiser] = [Affine(shift=1.0) for _ in range(4)]
    noisy = torch.rand(2, 3, 8, 8)
    assert _bound(teachers, student).loss(student, noisy).item() == pytest.approx(4, rel=1e-5)
    assert _bound(teachers, student, recharge=True).loss(student, noisy).item() == pytest.approx(3, rel=1e-5)


def _shared(student: Denoiser, before: dict[str, Tensor], teacher: Denoiser) -> set[str]:
    """Names of the student's weights that are now the teacher's, where they were not."""
    weights, taught = student.state_dict(), teacher.state_dict()
    return {
        key
        for key in weights
        if key in taught and torch.equal(weights[key], taught[key]) and not torch.equal(before[key], taught[key])
    }


def test_student_c_starts_from_all_but_the_last_decoder() -> None:
    teacher, student = denoisers.create("atbsn", width=4), denoisers.create("atbsn-student-c", width=4)
    for weights in [*teacher.parameters()]:
        weights.data.normal_()  # biases too, which begin at zero in both
    before = {key: value.clone() for key, value in student.state_dict().items()}
    recipe = recipes.load("at-bsn-d", {"scheme.teachers": ["a"]})
    scheme = recipe.scheme.bind(teacher_loader({"a": model_of(teacher)}.__getitem__), student)
    sentence = scheme.initialize(student)
    expected = {key for key in before if not key.startswith("unet.dec1.")}
    assert _shared(student, before, teacher) == expected
    assert all(torch.equal(student.state_dict()[key], before[key]) for key in before if key not in expected)
    assert sentence is not None
    assert f"with {len(expected)} of its {len(before)}" in sentence


def test_weights_of_other_shapes_or_values_are_not_taken() -> None:
    narrow, student = denoisers.create("atbsn", width=2), denoisers.create("atbsn-student-c", width=4)
    before = {key: value.clone() for key, value in student.state_dict().items()}
    scheme = _bound([narrow], student, student_from_teacher=True)
    assert "with 0 of its" in (scheme.initialize(student) or "")
    fitting = denoisers.create("atbsn-student-c", width=4)
    fitting.value_range = (0.0, 1.0)  # type: ignore[misc]
    _bound([fitting], student, student_from_teacher=True).initialize(student)
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())
    assert _bound([denoisers.create("atbsn", width=4)], student).initialize(student) is None
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_a_student_needs_a_teacher_to_learn_but_none_to_restore() -> None:
    noisy = torch.rand(1, 3, 4, 4)
    scheme = Distillation(teachers=(TeacherChoice(model="nowhere"),))
    assert torch.equal(scheme.restore(lambda x: 2 * x, noisy), 2 * noisy)
    assert torch.equal(scheme.refine(lambda x: 2 * x, noisy), 2 * noisy)
    with pytest.raises(UsageError, match="no teachers yet"):
        scheme.loss(lambda x: x, noisy)
    with pytest.raises(UsageError, match="name a trained model by --teacher"):
        Distillation().bind(teacher_loader(load), Affine())
    with pytest.raises(UsageError, match="There is no model 'nowhere'"):
        scheme.bind(teacher_loader(load), Affine())


def test_a_saved_student_denoises_without_its_teacher(tmp_path: Path) -> None:
    recipe = recipes.load("at-bsn-d", {"scheme.teachers": [tmp_path / "gone"], "denoiser.width": 4})
    student = denoisers.create("atbsn-student-c", width=4)
    Model(student, recipe).save(tmp_path / "student.safetensors")
    model = load(tmp_path / "student.safetensors")
    assert model.recipe == recipe
    image = torch.rand(3, 20, 17)
    with torch.no_grad():
        expected = (student(image[None] * 255)[0] / 255).clamp(0, 1)
    assert torch.allclose(model.denoise(image, precision="float32"), expected, atol=1e-5)


def test_teachers_are_given_by_name_alone_or_with_their_lessons() -> None:
    given_ = ["one", Path("two"), {"model": "three", "holes": [1, 3], "ensemble": True}]
    scheme = recipes.load("at-bsn-d", {"scheme.teachers": given_}).scheme
    assert isinstance(scheme, Distillation)
    assert [teacher.model for teacher in scheme.teachers] == ["one", "two", "three"]
    assert scheme.teachers[2].holes == (1, 3)
    assert scheme.each.holes == (0, 1, 3, 5, 7, 9, 11)  # the recipe's, for those that say nothing
