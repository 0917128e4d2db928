"""Teachers: each is applied as its options say and in its own values, and none of them learns."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handmade import Affine, model_of
from reference import relative_error
from unnoise import denoisers
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UsageError
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.schemes import r3 as refinement_module
from unnoise.schemes.pd_blind_spot import PDBlindSpot
from unnoise.schemes.r3 import R3
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot
from unnoise.training.teachers import Teacher, Teachers, convert, load_teachers

TINY = {"atbsn": {"width": 4}, "tmbsn": {"features": 4, "groups": 1, "blocks": 1}}
HOLES = {"atbsn": (0, 1, 3, 5, 7, 9, 11), "tmbsn": (2, 3, 4, 5, 6)}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("pad", [0, 5])
def test_holes_in_one_pass_are_separate_calls(name: str, pad: int) -> None:
    network = denoisers.create(name, **TINY[name])
    noisy = torch.rand(2, 3, 21, 34) * network.value_range[1]
    calls = []
    network.register_forward_pre_hook(lambda *_: calls.append(1))
    targets = Teacher(network, TunableBlindSpot(), None, TeacherOptions(holes=HOLES[name], pad=pad))(noisy)
    assert not calls
    with torch.no_grad():
        for hole, target in zip(HOLES[name], targets, strict=True):
            expected = TunableBlindSpot(infer_hole=hole, pad=pad).restore(network, noisy)
            assert relative_error(target, expected) < 1e-5


@pytest.mark.parametrize("holes", [None, (1, 3)])
def test_targets_have_the_light_that_the_recipe_keeps(holes: tuple[int, ...] | None) -> None:
    network, light = denoisers.create("atbsn", **TINY["atbsn"]), BiasCorrection(curve="srgb")
    noisy = torch.rand(2, 3, 40, 35) ** 2
    scheme, lessons = TunableBlindSpot(infer_hole=3), TeacherOptions(holes=holes)
    dark, lit = (Teachers([Teacher(network, scheme, None, lessons, kept)]) for kept in (None, light))
    for target, plain in zip(lit(noisy, (0.0, 1.0)), dark(noisy, (0.0, 1.0)), strict=True):
        assert relative_error(target, light(noisy, plain)) < 1e-5
        assert relative_error(target, plain) > 1e-2
    assert lit.fingerprint != dark.fingerprint
    with pytest.warns(DeprecationWarning, match="'light' of .* is now called 'bias_correction'"):
        old = Teacher(network, scheme, None, lessons, light=light)  # type: ignore[call-arg]
    assert Teachers([old]).fingerprint == lit.fingerprint


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(("refine", "inherent"), [(None, True), (None, False), (True, False), (False, True)])
def test_a_teacher_without_holes_restores_as_its_model_would(
    refine: bool | None, inherent: bool, ensemble: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the random numbers: in training they follow each other, at inference they belong to places."""
    monkeypatch.setattr(refinement_module, "uniform", lambda shape, *_: torch.linspace(0, 1, prod(shape)).reshape(shape))
    torch.manual_seed(0)
    network, scheme = DBSN(features=4, modules=1), PDBlindSpot()
    refinement = R3(draws=2) if inherent else None
    noisy = torch.rand(1, 3, 20, 17)
    teacher = Teacher(network, scheme, refinement, TeacherOptions(refine=refine, ensemble=ensemble))
    result = Teachers([teacher])(noisy, (0.0, 1.0), torch.Generator().manual_seed(0))
    wanted = None if refine is False else refinement or (R3() if refine else None)
    expected = Pipeline(network, scheme, InferenceSettings(precision="float32", refinement=wanted, ensemble=ensemble)).restore(
        noisy
    )
    assert result.shape == (1, *noisy.shape)
    assert relative_error(result[0], expected) < 1e-5


def test_ensemble_of_holes_is_the_mean_over_the_square_symmetries() -> None:
    network = denoisers.create("tmbsn", **TINY["tmbsn"])
    noisy = torch.rand(1, 3, 9, 14)
    result = Teacher(network, TunableBlindSpot(), None, TeacherOptions(holes=(1, 4), ensemble=True))(noisy)
    with torch.no_grad():
        for hole, target in zip((1, 4), result, strict=True):
            parts = []
            for turns in range(4):
                for flip in (False, True):
                    x = torch.rot90(noisy.flip(-1) if flip else noisy, turns, (2, 3))
                    y = torch.rot90(network(x, blind_spot=hole), -turns, (2, 3))
                    parts.append(y.flip(-1) if flip else y)
            assert relative_error(target, torch.stack(parts).mean(0)) < 1e-5


@given(black=st.floats(-1, 1), span=st.floats(0.5, 300), student=st.floats(0.5, 300))
def test_each_teacher_is_asked_in_its_own_values(black: float, span: float, student: float) -> None:
    """A teacher that adds a tenth of its own range adds a tenth of the student's."""
    noisy = torch.rand(1, 3, 4, 5, dtype=torch.float64) * student
    network = Affine(shift=0.1 * span, values=(black, black + span)).double()
    model = model_of(network)
    result = Teachers([Teacher(network, model.recipe.scheme, None, TeacherOptions())])(noisy, (0.0, student))
    assert torch.allclose(result[0], noisy + 0.1 * student, rtol=1e-6)


@given(low=st.floats(-5, 5), span=st.floats(0.1, 300))
def test_converting_there_and_back_changes_nothing(low: float, span: float) -> None:
    x = torch.rand(10, dtype=torch.float64)
    there = convert(x, (0.0, 1.0), (low, low + span))
    assert there.min() >= low
    assert there.max() <= low + span
    assert torch.allclose(convert(there, (low, low + span), (0.0, 1.0)), x, atol=1e-9)


def test_teachers_do_not_learn_but_their_targets_can_be_learned_from() -> None:
    network, student = denoisers.create("atbsn", width=4).train(), Affine(values=(0.0, 255.0))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    teachers = Teachers([Teacher(network, TunableBlindSpot(), None, TeacherOptions(holes=(1, 3)))])
    noisy = torch.rand(1, 3, 8, 8) * 255
    targets = teachers(noisy, student.value_range)
    assert not targets.requires_grad
    (student(noisy) - targets).square().mean().backward()  # which keeps the targets for its gradient
    assert student.shift.grad is not None
    assert not network.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_what_a_teacher_does_not_say_is_as_for_each() -> None:
    each = TeacherOptions(holes=(1, 3), pad=4)
    assert TeacherChoice(model="x").filled_from(each) == TeacherOptions(holes=(1, 3), pad=4)
    assert TeacherChoice(model="x", holes=(5,), ensemble=True).filled_from(each) == TeacherOptions(
        holes=(5,), ensemble=True, pad=4
    )
    assert TeacherChoice(model="x", refine=True).filled_from(each) == TeacherOptions(refine=True, pad=4)
    assert TeacherChoice(model="x", holes=(5,)).filled_from(TeacherOptions(refine=True)) == TeacherOptions(holes=(5,))
    with pytest.raises(ValueError, match="leave out 'holes' or 'refine'"):
        TeacherOptions(holes=(1,), refine=True)


def test_a_teacher_is_averaged_over_turns_as_its_recipe_says() -> None:
    model = model_of(denoisers.create("atbsn", width=4))
    model.recipe = model.recipe.model_copy(update={"ensemble": True})

    def ensemble(**lessons: object) -> bool:
        choice = TeacherChoice.model_validate({"model": "x", **lessons})
        return load_teachers([choice], TeacherOptions(), Affine(), lambda name: model).teachers[0].ensemble

    assert ensemble()
    assert not ensemble(ensemble=False)
    assert not ensemble(holes=(1, 3))


def test_several_teachers_stand_in_their_order() -> None:
    models = {"a": model_of(denoisers.create("atbsn", width=4)), "b": model_of(Affine(shift=0.5))}
    teachers = load_teachers(
        [TeacherChoice(model="b"), TeacherChoice(model="a")], TeacherOptions(holes=(1, 9)), Affine(), models.__getitem__
    )
    noisy = torch.rand(1, 3, 6, 7)
    targets = teachers(noisy, (0.0, 1.0))
    assert teachers.count == len(targets) == 3
    assert torch.allclose(targets[0], noisy + 0.5)
    with torch.no_grad():
        assert relative_error(targets[2], models["a"].network(noisy * 255, blind_spot=9) / 255) < 1e-4


@pytest.mark.parametrize(
    ("choice", "each", "sentence"),
    [
        ({"model": "plain", "holes": (1,)}, {}, "plain has no holes to choose"),
        ({"model": "tunable", "holes": (2,)}, {}, "an odd number of pixels across, got 2"),
        ({"model": "tunable"}, {"holes": (4,)}, "an odd number of pixels across, got 4"),
        ({"model": "grey"}, {}, "grey has 1 channels, the student 3"),
    ],
)
def test_teachers_that_do_not_fit(choice: dict[str, object], each: dict[str, object], sentence: str) -> None:
    models = {
        "plain": model_of(Affine()),
        "tunable": model_of(denoisers.create("atbsn", width=4)),
        "grey": model_of(Affine(channels=1)),
    }
    with pytest.raises(UsageError, match=sentence):
        load_teachers([TeacherChoice.model_validate(choice)], TeacherOptions.model_validate(each), Affine(), models.__getitem__)


def test_fingerprint_tells_weights_and_ways_apart() -> None:
    def fingerprint(seed: int = 0, **lessons: object) -> str:
        torch.manual_seed(seed)
        network = DBSN(features=4, modules=1)
        return Teachers([Teacher(network, PDBlindSpot(), None, TeacherOptions.model_validate(lessons))]).fingerprint

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(1), fingerprint(pad=1), fingerprint(refine=True), fingerprint(ensemble=True)}) == 5


@pytest.mark.parametrize("options", [{"holes": (1, 3), "pad": 5}, {"ensemble": True}, {"refine": True, "pad": 3}])
def test_whole_pictures_in_tiles_have_the_targets_of_crops(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the brightness of the noisy picture, and whatever random numbers are drawn."""
    monkeypatch.setattr("unnoise.inference.tiling.sides_for", lambda chain, size: (20, 20))
    torch.manual_seed(0)
    if "holes" in options:
        network, scheme = denoisers.create("tmbsn", **TINY["tmbsn"]), TunableBlindSpot()
    else:
        network, scheme = DBSN(features=4, modules=1), PDBlindSpot(infer_stride=2)
    teacher = Teacher(network, scheme, None, TeacherOptions.model_validate(options), BiasCorrection(curve="srgb"))
    noisy = torch.rand(1, 3, 50, 33) ** 2
    bands = list(teacher.bands(noisy, 7))
    assert [row for rows, _ in bands for row in range(rows.start, rows.stop)] == list(range(50))
    joined = torch.cat([band for _, band in bands], dim=-2)  # (K, C, H, W)
    assert relative_error(joined, teacher(noisy, 7)[:, 0]) < 1e-4


def test_batches_have_the_targets_of_their_crops() -> None:
    torch.manual_seed(0)
    teacher = Teacher(DBSN(features=4, modules=1), PDBlindSpot(), None, TeacherOptions(ensemble=True))
    noisy = torch.rand(3, 3, 20, 25)
    for crop, target in zip(noisy, teacher(noisy)[0], strict=True):
        assert relative_error(target, teacher(crop[None])[0, 0]) < 1e-5


def test_the_old_name_of_the_options_warns() -> None:
    with pytest.warns(DeprecationWarning, match="TeacherOptions"):
        from unnoise.schemes.teachers import Lessons  # noqa: F401
