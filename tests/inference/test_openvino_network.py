"""Networks run by OpenVINO give what those run by onnxruntime give: `openvino_checks.py`, in a process of its own.

A process that has run many other libraries ended when it started another one after OpenVINO.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CHECKS = Path(__file__).parents[1] / "openvino_checks.py"


@pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")
def test_networks_run_by_openvino() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(CHECKS)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-4000:]
    assert " passed" in ended.stdout
