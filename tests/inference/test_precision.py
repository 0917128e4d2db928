"""The precision that suits network and hardware."""

from __future__ import annotations

import pytest
import torch

from reference import needs_int8
from unnoise import denoisers
from unnoise.errors import UsageError
from unnoise.inference.precision import choose_device, choose_precision, running_in
from unnoise.layers.quantized.int8 import runs_in_int8

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["meta", "foo", "cuda:99", "xpu"])
def test_devices_that_are_not_there_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(UsageError, match=f"The device '{name}' cannot be used here: ") as caught:
        choose_device(name)
    assert len(str(caught.value)) < 400


def _has(patch: pytest.MonkeyPatch, *, bfloat16: bool, amx: bool, bytes_: bool) -> None:
    patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    patch.setattr(torch.cpu, "_is_vnni_supported", lambda: bytes_)


@pytest.mark.parametrize(
    ("hardware", "usual", "in_bytes"),
    [
        ({"bfloat16": True, "amx": True, "bytes_": True}, torch.bfloat16, torch.bfloat16),
        ({"bfloat16": False, "amx": False, "bytes_": True}, torch.float32, torch.int8),
        ({"bfloat16": True, "amx": False, "bytes_": False}, torch.bfloat16, torch.bfloat16),
        ({"bfloat16": False, "amx": False, "bytes_": False}, torch.float32, torch.float32),
    ],
)
@pytest.mark.parametrize("name", [None, "auto"])
def test_auto_is_what_the_hardware_does_best(
    monkeypatch: pytest.MonkeyPatch, hardware: dict[str, bool], usual: torch.dtype, in_bytes: torch.dtype, name: str | None
) -> None:
    _has(monkeypatch, **hardware)
    student, rounded = (denoisers.create(kind, width=2) for kind in ("tmbsn-student", "tmbsn-student-rounded"))
    assert choose_precision(name, CPU, student) == choose_precision(name, CPU) == usual
    assert choose_precision(name, CPU, rounded) == in_bytes
    assert choose_precision("float32", CPU, rounded) == torch.float32


def test_int8_is_refused_where_it_cannot_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = denoisers.create("tmbsn-student-rounded", width=2)
    assert choose_precision("int8", CPU, denoisers.create("dncnn", features=2, layers=3)) == torch.int8
    with pytest.raises(UsageError, match="Training cannot run in int8"):
        choose_precision("int8", CPU)
    _has(monkeypatch, bfloat16=True, amx=False, bytes_=False)
    with pytest.raises(UsageError, match="CPU that multiplies bytes"):
        choose_precision("int8", CPU, rounded)
    with pytest.raises(UsageError, match="CPU that multiplies bytes"):
        choose_precision("int8", torch.device("meta"), rounded)
    with pytest.raises(UsageError, match="no precision 'int4'"):
        choose_precision("int4", CPU)


@needs_int8
@torch.no_grad()
def test_a_precision_lasts_as_long_as_its_context() -> None:
    x = torch.zeros(1)
    for precision in (torch.float32, torch.bfloat16, torch.int8):
        with running_in(precision, CPU):
            assert runs_in_int8(x) == (precision == torch.int8)
            assert torch.is_autocast_enabled("cpu") == (precision == torch.bfloat16)
        assert not runs_in_int8(x)
        assert not torch.is_autocast_enabled("cpu")
