"""The students of AT-BSN and TM-BSN: published numbers, any image size, and a start from the teacher's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error, wide_open
from unnoise import denoisers
from unnoise.denoisers.atbsn import ATBSN
from unnoise.denoisers.atbsn_students import StudentB, StudentC

STUDENTS = ["atbsn-student-a", "atbsn-student-b", "atbsn-student-c", "tmbsn-student"]


@pytest.mark.data
@pytest.mark.parametrize(("name", "file"), [("atbsn-student-a", "atbsn_student_a"), ("atbsn-student-c", "atbsn_student_c")])
def test_golden(name: str, file: str) -> None:
    weights, cases = golden(file)
    network = denoisers.lookup(name).from_weights(weights)
    assert network is not None
    assert cases
    for case, (x, expected) in cases.items():
        with torch.no_grad():
            assert relative_error(network(x), expected) < 1e-4, case


@pytest.mark.parametrize(
    ("name", "parameters"), [("atbsn-student-a", 128_385), ("atbsn-student-b", 856_656), ("atbsn-student-c", 1_003_011)]
)
def test_parameters_at_full_size(name: str, parameters: int) -> None:
    assert denoisers.create(name).parameter_count() == parameters


@pytest.mark.parametrize("name", STUDENTS)
@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([1, 3]))
def test_any_size(name: str, height: int, width: int, channels: int) -> None:
    network = denoisers.create(name, channels=channels, width=2)
    x = torch.rand(2, channels, height, width)
    with torch.no_grad():
        result = network(x)
    assert result.shape == x.shape
    assert result.isfinite().all()


@pytest.mark.parametrize("name", ["atbsn-student-c", "tmbsn-student"])
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (33, 17)])
def test_sides_are_padded_by_reflection(name: str, size: tuple[int, int]) -> None:
    network = denoisers.create(name, width=2)
    x = torch.rand(1, 3, *size)
    rows, columns = (-side % 32 for side in size)
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode="reflect"))
    with torch.no_grad():
        assert torch.equal(network(x), network(padded)[..., : size[0], : size[1]])


@pytest.mark.parametrize("name", STUDENTS)
def test_not_blind(name: str) -> None:
    network = wide_open(denoisers.create(name, channels=1, width=2))
    x = torch.rand(1, 1, 21, 34, dtype=torch.float64, requires_grad=True)
    network(x)[..., 11, 19].sum().backward()
    assert x.grad is not None
    assert x.grad[..., 11, 19] > 0
    assert network.blindness == "none"


@pytest.mark.parametrize("name", STUDENTS)
def test_reach_is_exact(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Means in place of maxima: the same four pixels, but each of them can be seen to be one.
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)
    network = wide_open(denoisers.create(name, channels=1, width=1))
    middle = -(-network.receptive_field_radius // 32) * 32
    x = torch.rand(1, 1, 2 * middle + 32, 32, dtype=torch.float64, requires_grad=True)
    result = network(x)
    farthest = 0
    for row in range(middle, middle + network.size_multiple):
        (gradient,) = torch.autograd.grad(result[..., row, 16].sum(), x, retain_graph=True)
        farthest = max(farthest, int((torch.nonzero(gradient)[:, 2] - row).abs().max()))
    assert farthest == network.receptive_field_radius


def test_student_b_has_the_published_layout() -> None:
    """No reference numbers exist for b; its layers are those of the published code."""
    shapes = {key: tuple(value.shape[:2]) for key, value in StudentB().state_dict().items()}
    expected = [(48, 3), (48, 48), (48, 48)] + [(48, 48)] * 3 + [(96, 48), (96, 96), (48, 96)]
    expected += [(96, 96)] * 4 + [(96, 99), (96, 96), (96, 96), (3, 96)]
    assert list(shapes.values()) == expected
    assert {"enc1.conv1.conv.weight", "enc3.conv3.conv.weight", "dec2.conv4.conv.weight"} <= set(shapes)


def test_student_c_starts_from_its_teacher() -> None:
    teacher, student = ATBSN(width=4), StudentC(width=4)
    shared = {key: value for key, value in teacher.state_dict().items() if key.startswith("unet.") and ".dec1." not in key}
    missing = student.load_state_dict(shared, strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith("unet.dec1.") for key in missing.missing_keys)


@pytest.mark.parametrize("name", STUDENTS)
def test_last_layer_keeps_its_precision_under_autocast(name: str) -> None:
    network = denoisers.create(name, width=8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        result = network(torch.rand(1, 3, 32, 32) * 255)
    assert result.dtype == torch.float32
    assert not torch.equal(result, result.bfloat16().float())
