"""The speed that `unnoise doctor` tells is of the engine that runs the model."""

from __future__ import annotations

from typing import Any

import pytest

from unnoise.diagnostics import speed
from unnoise.models import shipped
from unnoise.photometry.array_threads import thread_count


def test_onnxruntime_is_timed_where_it_is_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: Any = shipped.load("fast", "onnx")
    monkeypatch.setattr(shipped, "load", lambda name: loaded)
    found = speed.measure_speed("fast", side=64)
    assert (found.device, found.precision, found.threads) == ("cpu", "float32", thread_count())
    assert found.seconds_per_megapixel > 0
