"""`unnoise doctor`: what it tells agrees with what is there, and a lack is told with its remedy."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any

import pytest
import torch

from command_line import call
from unnoise.diagnostics import installation, speed
from unnoise.inference.precision import choose_device, choose_precision
from unnoise.models import shipped


def test_json_tells_versions_devices_and_speeds(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    measure = speed.measure_speed
    monkeypatch.setattr(speed, "measure_speed", lambda model: measure(model, side=64))
    answer = call(monkeypatch, capfd, "doctor", "--json")
    assert answer.status == 0
    found = json.loads(answer.out)
    assert found["installation"]["libraries"]["torch"] == version("torch")
    assert found["installation"]["extras"]["plot"] == []
    assert [device["name"] for device in found["devices"]][-1] == "cpu"
    assert [each["model"] for each in found["speeds"]] == ["fast", "default"]
    where = choose_device()
    expected = str(choose_precision(None, where, shipped.load("fast").network)).removeprefix("torch.")
    assert {each["precision"] for each in found["speeds"]} == {expected}
    assert all(each["threads"] == torch.get_num_threads() for each in found["speeds"])


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    gone: Any = None
    monkeypatch.setitem(sys.modules, "rawpy", gone)
    answer = call(monkeypatch, capfd, "doctor", "--no-speed")
    assert answer.status == 0
    (line,) = [line for line in answer.out.splitlines() if line.startswith("raw ")]
    assert "missing: rawpy" in line
    assert "pip install '.[raw]'" in line
    assert "installed" in next(line for line in answer.out.splitlines() if line.startswith("zarr "))


def test_without_any_engine_it_still_answers_and_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    known = installation.version
    monkeypatch.setattr(installation, "version", lambda name: known("nothing" if name in ("onnxruntime", "openvino") else name))
    gone: Any = None
    monkeypatch.setitem(sys.modules, "torch", gone)
    answer = call(monkeypatch, capfd, "doctor")
    assert answer.status == 1
    assert "pip install torch" in " ".join(answer.out.split())
    assert answer.err == ""
